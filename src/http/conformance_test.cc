// Runs tests/conformance/llhttp_requests.py against a server that takes every path and method.
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "http/testing.h"

namespace infe::http::testing {
namespace {

TEST(ConformanceTest, NeverLaxerThanLlhttp) {
  Router router;
  const Handler echo = [](HttpRequest request, std::shared_ptr<ResponseWriter> writer) {
    writer->Send({200, {}, std::move(request.body)});
  };
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"}) {
    router.Add(method, "/", echo);
    router.Add(method, "/{rest*}", echo);
  }
  const auto server = StartServer({}, std::move(router));
  const std::string command = fmt::format(
      "python3 {}/tests/conformance/llhttp_requests.py --port {}", INFE_SOURCE_DIR, server->port());
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no data";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace infe::http::testing
