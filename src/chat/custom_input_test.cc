#include "chat/custom_input.h"

#include <gtest/gtest.h>

namespace infe::chat {
namespace {

std::string Read(std::string_view arguments) {
  CustomInput input;
  return input.Feed(arguments);
}

TEST(CustomInput, GivesWhatTheStringMeans) {
  EXPECT_EQ(Read(R"({"input": "a + 1"})"), "a + 1");
  EXPECT_EQ(Read("{\n  \"input\" : \"\"\n}"), "");
  EXPECT_EQ(Read(R"({"input":"say \"hi\"\n\t\\ \/ \u00e9 \ud83d\ude00"})"),
            "say \"hi\"\n\t\\ / \xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(Read(R"({"input": "half \ud83d pair"})"), "half \xEF\xBF\xBD pair");
}

TEST(CustomInput, AnyWayOfCuttingGivesTheSameText) {
  const std::string arguments = R"({ "input": "x\"\u0041\ud83d\ude00\\n\n\ud800y" })";
  const std::string whole = Read(arguments);
  for (size_t i = 0; i <= arguments.size(); ++i)
    for (size_t j = i; j <= arguments.size(); ++j) {
      CustomInput input;
      std::string joined = input.Feed(std::string_view(arguments).substr(0, i));
      joined += input.Feed(std::string_view(arguments).substr(i, j - i));
      joined += input.Feed(std::string_view(arguments).substr(j));
      EXPECT_EQ(joined, whole) << i << ' ' << j;
    }
}

TEST(CustomInput, ACutCallGivesTheTextSoFar) {
  EXPECT_EQ(Read(R"({"inp)"), "");
  EXPECT_EQ(Read(R"({"input": "one tw)"), "one tw");
  EXPECT_EQ(Read(R"({"input": "one\u00)"), "one");
}

TEST(CustomInput, ArgumentsReadBackAsTheInput) {
  for (const std::string input : {"", "a \"b\" \\ \n\x01 \xC3\xA9", "{\"input\": 1}"})
    EXPECT_EQ(Read(CustomInputArguments(input)), input);
}

}  // namespace
}  // namespace infe::chat
