#include "http/router.h"

#include <gtest/gtest.h>

namespace infe::http {
namespace {

Router MakeRouter() {
  Router router;
  const Handler none = [](HttpRequest, std::shared_ptr<ResponseWriter>) {};
  router.Add("GET", "/", none);
  router.Add("POST", "/v1/chat/completions", none);
  router.Add("GET", "/v1/models", none);
  router.Add("GET", "/v1/models/{id}", none);
  router.Add("GET", "/v1/models/list", none);
  router.Add("DELETE", "/v1/models/{id}", none);
  router.Add("GET", "/files/{name*}", none);
  return router;
}

using Kind = RouteMatch::Kind;

TEST(RouterTest, FindsByMethodAndPath) {
  const Router router = MakeRouter();
  EXPECT_EQ(router.Match("GET", "/").route->pattern, "/");
  EXPECT_EQ(router.Match("POST", "/v1/chat/completions").kind, Kind::kFound);
  for (const char* path : {"", "v1/models", "/v1", "/v1/", "/v1/models/", "/v1/models/a/b",
                           "//v1/models", "/V1/models", "/v1/./models", "/v1/../v1/models"}) {
    EXPECT_EQ(router.Match("GET", path).kind, Kind::kNotFound) << path;
  }
}

TEST(RouterTest, LiteralsWinOverNames) {
  const Router router = MakeRouter();
  EXPECT_EQ(router.Match("GET", "/v1/models/list").route->pattern, "/v1/models/list");
  EXPECT_EQ(router.Match("DELETE", "/v1/models/list").route->pattern, "/v1/models/{id}");
}

TEST(RouterTest, EscapesAreDecodedAfterTheSplit) {
  const Router router = MakeRouter();
  const RouteMatch match = router.Match("GET", "/v1/models/org%2Fname%20x");
  ASSERT_EQ(match.kind, Kind::kFound);
  ASSERT_EQ(match.params.size(), 1u);
  EXPECT_EQ(match.params[0].first, "id");
  EXPECT_EQ(match.params[0].second, "org/name x");
  EXPECT_EQ(router.Match("GET", "/v1/%6dodels").kind, Kind::kNotFound);
}

TEST(RouterTest, AStarTakesTheRest) {
  const Router router = MakeRouter();
  EXPECT_EQ(router.Match("GET", "/files/a/b/c").params[0].second, "a/b/c");
  EXPECT_EQ(router.Match("GET", "/files/").kind, Kind::kNotFound);
}

TEST(RouterTest, HeadFollowsGet) {
  const Router router = MakeRouter();
  EXPECT_EQ(router.Match("HEAD", "/v1/models").kind, Kind::kFound);
  EXPECT_EQ(router.Match("HEAD", "/v1/chat/completions").kind, Kind::kMethodNotAllowed);
}

TEST(RouterTest, AWrongMethodNamesTheRightOnes) {
  const Router router = MakeRouter();
  const RouteMatch match = router.Match("PUT", "/v1/models/a");
  EXPECT_EQ(match.kind, Kind::kMethodNotAllowed);
  EXPECT_EQ(match.allow, "GET, HEAD, DELETE, OPTIONS");
  EXPECT_EQ(router.Match("OPTIONS", "/v1/chat/completions").kind, Kind::kOptions);
  EXPECT_EQ(router.Match("OPTIONS", "/v1/chat/completions").allow, "POST, OPTIONS");
  EXPECT_EQ(router.Match("OPTIONS", "/nothing").kind, Kind::kNotFound);
  EXPECT_EQ(router.Match("OPTIONS", "*").kind, Kind::kOptions);
}

TEST(PercentDecodeTest, RefusesWhatIsNoEscape) {
  EXPECT_EQ(PercentDecode("a%41%c3%A9"), "aA\xc3\xa9");
  for (const char* bad : {"%", "%4", "%4g", "%g4", "%%41", "%00"}) {
    EXPECT_FALSE(PercentDecode(bad)) << bad;
  }
}

}  // namespace
}  // namespace infe::http
