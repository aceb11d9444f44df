#include "server/door/cors.h"

#include <gtest/gtest.h>

namespace infe::server {
namespace {

http::HttpRequest FromOrigin(const std::string& origin) {
  http::HttpRequest request;
  request.method = "OPTIONS";
  request.headers.Add("Origin", origin);
  request.headers.Add("Access-Control-Request-Method", "POST");
  request.headers.Add("Access-Control-Request-Headers", "authorization,x-stainless-lang");
  return request;
}

TEST(Cors, WithoutOriginsNothingIsAllowed) {
  const Cors cors({});
  EXPECT_EQ(cors.AllowedOrigin("https://app.example"), "");
  const auto answer = cors.Preflight(FromOrigin("https://app.example"), "POST, OPTIONS");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.headers.Get("Allow"), "POST, OPTIONS");
  EXPECT_EQ(answer.headers.Count("Access-Control-Allow-Origin"), 0u);
}

TEST(Cors, AListedOriginGetsItsPreflightAndExposedHeaders) {
  const Cors cors({"https://app.example"});
  const auto answer = cors.Preflight(FromOrigin("https://app.example"), "POST, OPTIONS");
  EXPECT_EQ(answer.headers.Get("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(answer.headers.Get("Access-Control-Allow-Headers"), "authorization,x-stainless-lang");
  EXPECT_EQ(answer.headers.Get("Vary"), "Origin");
  EXPECT_NE(answer.headers.Get("Access-Control-Expose-Headers").find("x-request-id"),
            std::string_view::npos);
  EXPECT_EQ(answer.headers.Count("Access-Control-Allow-Credentials"), 0u);
}

TEST(Cors, OriginsAreComparedWhole) {
  const Cors cors({"https://app.example"});
  for (const char* origin :
       {"https://app.example.evil", "http://app.example", "null", "https://app.example:444", ""})
    EXPECT_EQ(cors.AllowedOrigin(origin), "") << origin;
}

TEST(Cors, RequestedHeadersAreEchoedOnlyWhenTheyAreNames) {
  http::HttpRequest request = FromOrigin("https://app.example");
  request.headers.Set("Access-Control-Request-Headers", "a\"b;c");
  const auto answer = Cors({"*"}).Preflight(request, "POST");
  EXPECT_EQ(answer.headers.Get("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(answer.headers.Count("Access-Control-Allow-Headers"), 0u);
}

TEST(Cors, OriginsThatCannotMatchAreRefusedAtStart) {
  for (const char* good : {"*", "https://app.example", "http://localhost:3000"})
    EXPECT_TRUE(ValidateOrigin(good)) << good;
  for (const char* bad : {"app.example", "https://app.example/", "https://", "a,b", "://x"})
    EXPECT_FALSE(ValidateOrigin(bad)) << bad;
}

}  // namespace
}  // namespace infe::server
