// The administration API's wire types: queries, bodies, objects.
#include <gtest/gtest.h>

#include "api/openai/admin_objects.h"
#include "api/openai/admin_request.h"
#include "api/query_string.h"
#include "base/json.h"

namespace infe::api {
namespace {

const ParseOptions kOptions;

Json Read(const std::string& text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

TEST(QueryString, ListsComeInBothSpellingsAndEscapesAreDecoded) {
  const auto query = QueryString::Parse(
      "a%5B%5D=x&a[]=y+z&a=w&empty=&b=1&b=2&flag&c=%E2%82%AC&effective_at%5Bgt%5D=5");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->List("a"), (std::vector<std::string>{"x", "y z", "w"}));
  EXPECT_EQ(query->Find("b"), "2");
  EXPECT_EQ(query->Find("c"), "\xE2\x82\xAC");
  EXPECT_FALSE(query->Find("empty"));
  EXPECT_FALSE(query->Find("nothing"));
  EXPECT_EQ((*query->Integer("effective_at[gt]", {0, 10})).value(), 5);
}

TEST(QueryString, BrokenQueriesAreRefused) {
  for (const char* bad : {"a=%", "a=%2", "a=%zz", "%ff=1", "a=%C3"})
    EXPECT_FALSE(QueryString::Parse(bad)) << bad;
  std::string many;
  for (size_t i = 0; i <= QueryString::kParametersMax; ++i) many += "a&";
  EXPECT_FALSE(QueryString::Parse(many));
  const auto query = QueryString::Parse("n=1x&b=yes&big=11");
  EXPECT_EQ(query->Integer("n", {0, 10}).error().code, "invalid_type");
  EXPECT_EQ(query->Integer("big", {0, 10}).error().code, "integer_above_max_value");
  EXPECT_EQ(query->Bool("b").error().code, "invalid_type");
}

TEST(AdminRequest, ABodyIsReadWholeOrRefused) {
  const auto body = ParseAdminBody(
      R"({"name":"w","expires_in_seconds":60,"scopes":["chat"],"models":["m"],"weight":2,
          "limits":{"requests_per_minute":5,"tokens_per_day":0}})",
      NameIs::kRequired, kOptions);
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->name, "w");
  EXPECT_EQ(body->expires_in_seconds, 60);
  EXPECT_EQ(body->scopes, std::vector<std::string>{"chat"});
  EXPECT_EQ(body->limits.requests_per_minute, 5);
  EXPECT_EQ(body->limits.tokens_per_day, 0);
  EXPECT_FALSE(body->limits.tokens_per_minute);
  for (const auto& [bad, param] : std::initializer_list<std::pair<const char*, const char*>>{
           {"{}", "name"},
           {R"({"name":""})", "name"},
           {R"({"name":7})", "name"},
           {R"({"name":"a","expires_in_seconds":0})", "expires_in_seconds"},
           {R"({"name":"a","scopes":[1]})", "scopes[0]"},
           {R"({"name":"a","weight":0})", "weight"},
           {R"({"name":"a","limits":{"requests_per_minute":-1}})", "limits.requests_per_minute"},
           // A misspelt limit must not be no limit.
           {R"({"name":"a","limits":{"request_per_minute":1}})", "limits.request_per_minute"},
           {R"({"name":"a","residency":{}})", "residency"}}) {
    const auto refused = ParseAdminBody(bad, NameIs::kRequired, kOptions);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().param, param) << bad;
  }
  EXPECT_TRUE(ParseAdminBody("", NameIs::kOptional, kOptions));
}

TEST(AdminRequest, UsageQueriesKnowOpenAisWidthsAndTheirBounds) {
  const auto days = ParseUsageQuery("start_time=86400");
  ASSERT_TRUE(days);
  EXPECT_EQ(days->bucket_seconds, 86400);
  EXPECT_EQ(days->buckets, 7u);
  const auto minutes = ParseUsageQuery(
      "start_time=60&bucket_width=1m&limit=1440&group_by[]=model&group_by[]=project_id&page=120");
  ASSERT_TRUE(minutes);
  EXPECT_EQ(minutes->start_time, 120);
  EXPECT_EQ(minutes->group_by, (std::vector{UsageGroupField::kModel, UsageGroupField::kProject}));
  for (const auto& [bad, param] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", "start_time"},
           {"start_time=x", "start_time"},
           {"start_time=1&bucket_width=2h", "bucket_width"},
           {"start_time=1&bucket_width=1d&limit=32", "limit"},
           {"start_time=1&limit=0", "limit"},
           {"start_time=1&group_by=colour", "group_by"},
           {"start_time=1&user_ids=u", "user_ids"}}) {
    const auto refused = ParseUsageQuery(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().param, param) << bad;
  }
}

TEST(AdminRequest, AuditTimesBecomeOneHalfOpenRange) {
  const auto query = ParseAuditQuery(
      "effective_at%5Bgt%5D=10&effective_at%5Blte%5D=20&event_types%5B%5D=project.created");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->from, 11);
  EXPECT_EQ(query->to, 21);
  EXPECT_EQ(query->events, std::vector<std::string>{"project.created"});
  EXPECT_FALSE(ParseAuditQuery("limit=101"));
}

TEST(AdminObjects, EveryObjectIsJsonWithItsObjectName) {
  KeyObject key;
  key.id = "key_1";
  key.name = "a \"name\"";
  key.scopes = {"chat", "models.read"};
  key.created_at = 5;
  key.limits.tokens_per_minute = 700;
  key.models = {"small"};
  key.weight = 2.5;
  EXPECT_EQ(Read(Write(ProjectObject{"proj_1", "p", 1, 2})).find("status")->as_string(),
            "archived");
  EXPECT_TRUE(Read(Write(ProjectObject{"proj_1", "p", 1, 0})).find("archived_at")->is_null());
  const Json project_key = Read(WriteProjectKey(key));
  EXPECT_EQ(project_key.find("name")->as_string(), key.name);
  EXPECT_EQ(project_key.find("scopes")->array().size(), 2u);
  EXPECT_EQ(project_key.find("limits")->find("tokens_per_minute")->as_int64(), 700);
  EXPECT_EQ(project_key.find("limits")->find("requests_per_day")->as_int64(), 0);
  EXPECT_EQ(project_key.find("models")->array().at(0).as_string(), "small");
  EXPECT_EQ(project_key.find("weight")->as_double(), 2.5);
  EXPECT_TRUE(project_key.find("last_used_at")->is_null());
  EXPECT_EQ(Read(WriteAdminKey(key)).find("value"), nullptr);
  EXPECT_EQ(Read(WriteAdminKey(key, "sk")).find("value")->as_string(), "sk");
  EXPECT_EQ(Read(WriteCreated({"svc_acct_1", "w", 1}, key, "sk"))
                .find("api_key")
                ->find("value")
                ->as_string(),
            "sk");
  EXPECT_EQ(
      Read(Write(RateLimitObject{"m", 0, 7, 0})).find("max_requests_per_1_minute")->as_int64(),
      kUnlimitedRate);
  EXPECT_EQ(Read(Write(ListPage{{"{}", "{}"}, "a", "b", true})).find("data")->array().size(), 2u);
  EXPECT_TRUE(Read(Write(ListPage{})).find("last_id")->is_null());
  const Json audit = Read(Write(AuditObject{"audit_log-1", "project.created", "key_1", "::1",
                                            "proj_1", "proj_1", R"({"name":"p"})", 9}));
  EXPECT_EQ(audit.find("project.created")->find("data")->find("name")->as_string(), "p");
}

TEST(AdminObjects, UsageHasNullsForWhatIsNotGroupedBy) {
  UsageResult result;
  result.model = "m";
  result.input_tokens = 10;
  result.cached_tokens = 4;
  const UsageBucket bucket{60, 120, {result}};
  const Json page = Read(WriteUsage({&bucket, 1}, 120));
  const Json& line = page.find("data")->array()[0].find("results")->array()[0];
  EXPECT_EQ(line.find("input_uncached_tokens")->as_int64(), 6);
  EXPECT_EQ(line.find("model")->as_string(), "m");
  EXPECT_TRUE(line.find("project_id")->is_null());
  EXPECT_EQ(page.find("next_page")->as_string(), "120");
  EXPECT_TRUE(Read(WriteCosts({&bucket, 1}, 0)).find("next_page")->is_null());
  const Json read = Read(WriteEmbeddingsUsage({&bucket, 1}, 0));
  const Json& texts = read.find("data")->array()[0].find("results")->array()[0];
  EXPECT_EQ(texts.find("object")->as_string(), "organization.usage.embeddings.result");
  EXPECT_EQ(texts.find("input_tokens")->as_int64(), 10);
  EXPECT_EQ(texts.find("output_tokens"), nullptr);
}

}  // namespace
}  // namespace infe::api
