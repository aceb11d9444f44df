// Runs the scripts of tests/conformance that send raw bytes, against a server that takes every path
// and method.
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "base/source_dir.h"
#include "http/testing.h"

namespace infe::http::testing {
namespace {

// Answers "<method> <target> <body>".
Router MirrorRouter() {
  Router router;
  const Handler mirror = [](HttpRequest request, std::shared_ptr<ResponseWriter> writer) {
    writer->Send({200, {}, fmt::format("{} {} {}", request.method, request.target, request.body)});
  };
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"}) {
    router.Add(method, "/", mirror);
    router.Add(method, "/{rest*}", mirror);
  }
  return router;
}

// 77: what the script needs is not there.
int RunScript(const char* name) {
  const auto server = StartServer({}, MirrorRouter());
  const int status = std::system(
      fmt::format("python3 {}/tests/conformance/{} --port {}", kSourceDir, name, server->port())
          .c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ConformanceTest, NeverLaxerThanLlhttp) {
  const int code = RunScript("llhttp_requests.py");
  if (code == 77) GTEST_SKIP() << "no data";
  EXPECT_EQ(code, 0);
}

TEST(ConformanceTest, MutatedRequestsAreReadAsH11ReadsThemOrRefused) {
  const int code = RunScript("http_differential.py");
  if (code == 77) GTEST_SKIP() << "no h11";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace infe::http::testing
