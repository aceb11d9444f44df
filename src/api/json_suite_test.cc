// The public JSON test suite, where its folder is at hand (INFE_SHARED_DATA): y_ must parse, n_
// must be refused, i_ may do either. Every file is also tried as the body of a request, whose
// verdict about the JSON must be the same. Nothing of the suite is in this repository.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "api/openai/chat_completion_request.h"
#include "base/json.h"

namespace infe::api {
namespace {

// The number of files that the suite's folder is known to hold; fewer means that something is
// amiss.
constexpr size_t kFilesMin = 318;

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(JsonTestSuite, ParserAndRequestBodyGiveTheSuitesVerdict) {
  const char* data = std::getenv("INFE_SHARED_DATA");
  const std::filesystem::path root =
      data == nullptr ? std::filesystem::path() : std::filesystem::path(data) / "jsontestsuite";
  if (data == nullptr || !std::filesystem::is_directory(root)) GTEST_SKIP() << "no data";
  size_t accepted = 0;
  size_t refused = 0;
  size_t either = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    const std::string name = entry.path().filename().string();
    const std::string text = ReadFile(entry.path());
    SCOPED_TRACE(name);
    // The suite nests 100,000 deep in places; 500 in a file that must parse.
    const bool parses = ParseJson(text, {.depth = 600, .allow_duplicate_keys = true}).has_value();
    const auto request = ParseChatCompletionRequest(text);
    ASSERT_FALSE(request.has_value());  // none of them is a chat request
    EXPECT_EQ(request.error().status, 400);
    if (name.starts_with("y_")) {
      ++accepted;
      EXPECT_TRUE(parses);
    } else if (name.starts_with("n_")) {
      ++refused;
      EXPECT_FALSE(parses);
      EXPECT_FALSE(request.error().code.has_value());
      EXPECT_FALSE(request.error().param.has_value());
    } else {
      ++either;
    }
  }
  EXPECT_GE(accepted + refused + either, kFilesMin);
  std::printf("jsontestsuite: %zu y_ parsed, %zu n_ refused, %zu i_ tried\n", accepted, refused,
              either);
}

}  // namespace
}  // namespace infe::api
