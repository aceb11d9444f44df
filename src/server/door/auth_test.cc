#include "server/door/auth.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/json.h"
#include "server/door/request_context.h"

namespace infe::server {
namespace {

class AuthTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "/infe-auth-" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(path_);
    stores_ = *store::Store::Open(*store::OpenDataDir(path_), {});
    services_ =
        std::make_unique<Services>(ServerConfig(), models_, *stores_, CacheSalt("test secret"));
    services_->state.store(ServingState::kReady);
  }
  void TearDown() override {
    services_.reset();
    stores_.reset();
    std::filesystem::remove_all(path_);
  }

  std::string NewKey(const store::KeyPolicy& policy, store::KeyKind kind = store::KeyKind::kApi) {
    return stores_->keys().Create(policy, kind, "test")->key;
  }

  static http::HttpRequest Head(const std::string& method, const std::string& path,
                                const std::string& key) {
    http::HttpRequest head;
    head.method = method;
    head.path = head.target = path;
    head.route = path;  // of rows without {names}
    head.remote_address = "192.0.2.1";
    head.arrival = std::chrono::steady_clock::now();
    head.headers.Add("Host", "localhost");
    if (!key.empty()) head.headers.Add("Authorization", "Bearer " + key);
    return head;
  }

  struct Verdict {
    int status = 200;
    std::string type, code;
    http::Headers headers;
  };
  static Verdict Judge(const std::optional<http::HttpResponse>& response) {
    if (!response) return {};
    const auto json = ParseJson(response->body);
    const Json* error = json->find("error");
    const Json* code = error->find("code");
    return {response->status, error->find("type")->as_string(),
            code->is_null() ? "" : code->as_string(), response->headers};
  }
  Verdict Api(http::HttpRequest head) { return Judge(Authenticate(*services_, head)); }
  Verdict Ops(http::HttpRequest head) { return Judge(AuthenticateOps(*services_, head)); }

  std::string path_;
  ModelSet models_;
  std::unique_ptr<store::Store> stores_;
  std::unique_ptr<Services> services_;
};

constexpr const char* kChat = "/v1/chat/completions";

TEST_F(AuthTest, WithoutAnyKeyEveryoneIsLetInByALocalName) {
  EXPECT_EQ(Api(Head("GET", "/v1/models", "")).status, 200);
  http::HttpRequest foreign = Head("GET", "/v1/models", "");
  foreign.headers.Set("Host", "evil.example");
  EXPECT_EQ(Api(foreign).status, 403);
}

TEST_F(AuthTest, OnceThereIsAKeyOneIsNeededAndHostNamesAreFree) {
  const std::string key = NewKey({.name = "k"});
  const Verdict none = Api(Head("GET", "/v1/models", ""));
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.headers.Get("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(Api(Head("GET", "/v1/models", "sk-infe-wrong")).code, "invalid_api_key");
  http::HttpRequest head = Head("POST", kChat, key);
  head.headers.Set("Host", "api.example");
  EXPECT_EQ(Api(head).status, 200);
  head.headers.Add("Authorization", "Bearer other");
  EXPECT_EQ(Api(head).status, 401);
  // Health needs none.
  EXPECT_EQ(Api(Head("GET", "/livez", "")).status, 200);
}

TEST_F(AuthTest, AKeyDoesWhatItsScopesSay) {
  const std::string reader =
      NewKey({.name = "k", .scopes = store::Bit(store::KeyScope::kModelsRead)});
  EXPECT_EQ(Api(Head("GET", "/v1/models", reader)).status, 200);
  const Verdict refused = Api(Head("POST", kChat, reader));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code, "insufficient_permissions");
}

TEST_F(AuthTest, AdminKeysAndApiKeysOpenOnlyTheirOwnListener) {
  const std::string api = NewKey({.name = "k"});
  const std::string admin =
      NewKey({.name = "k", .scopes = store::kAdminScopes}, store::KeyKind::kAdmin);
  constexpr const char* kProjects = "/v1/organization/projects";
  EXPECT_EQ(Api(Head("POST", kChat, admin)).code, "insufficient_permissions");
  EXPECT_EQ(Ops(Head("GET", kProjects, api)).code, "insufficient_permissions");
  EXPECT_EQ(Ops(Head("GET", kProjects, admin)).status, 200);
  EXPECT_EQ(Ops(Head("GET", kProjects, "")).status, 401);
  EXPECT_EQ(Ops(Head("GET", "/metrics", "")).status, 200);
  http::HttpRequest foreign = Head("GET", "/metrics", "");
  foreign.headers.Set("Host", "evil.example");
  EXPECT_EQ(Ops(foreign).status, 403);
}

TEST_F(AuthTest, UsageReadOpensTheUsageRoutesAndNothingElse) {
  const std::string reader =
      NewKey({.name = "books", .scopes = store::Bit(store::KeyScope::kUsageRead)});
  const std::string chat = NewKey({.name = "k", .scopes = store::Bit(store::KeyScope::kChat)});
  for (const char* path : {"/v1/organization/usage/completions", "/v1/organization/costs"}) {
    EXPECT_EQ(Ops(Head("GET", path, reader)).status, 200) << path;
    EXPECT_EQ(Api(Head("GET", path, reader)).status, 200) << path;
    EXPECT_EQ(Api(Head("GET", path, chat)).code, "insufficient_permissions") << path;
    EXPECT_EQ(Ops(Head("GET", path, "")).status, 401) << path;
  }
  for (const char* path : {"/v1/organization/projects", "/v1/organization/audit_logs",
                           "/v1/organization/usage/completions/", "/v1/organization/usage"})
    EXPECT_EQ(Ops(Head("GET", path, reader)).code, "insufficient_permissions") << path;
  EXPECT_EQ(Api(Head("GET", "/v1/models", reader)).code, "insufficient_permissions");
  EXPECT_EQ(Api(Head("POST", kChat, reader)).code, "insufficient_permissions");
}

TEST_F(AuthTest, KeysOfAnArchivedProjectAreDead) {
  const std::string project = stores_->projects().Create("p", 1, "test")->id;
  const std::string key = NewKey({.name = "k", .project = project});
  EXPECT_EQ(Api(Head("POST", kChat, key)).status, 200);
  ASSERT_TRUE(stores_->projects().Archive(project, 2, "test"));
  EXPECT_EQ(Api(Head("POST", kChat, key)).code, "invalid_api_key");
  EXPECT_EQ(Ops(Head("GET", "/v1/organization/costs", key)).code, "invalid_api_key");
}

TEST_F(AuthTest, ManyWrongKeysOfOneAddressAreSlowedDownAndARightOneIsNot) {
  const std::string key = NewKey({.name = "k"});
  Verdict last;
  for (int i = 0; i < 100; ++i) last = Api(Head("GET", "/v1/models", "sk-infe-wrong"));
  EXPECT_EQ(last.status, 429);
  EXPECT_FALSE(last.headers.Get("Retry-After").empty());
  EXPECT_EQ(Api(Head("GET", "/v1/models", key)).status, 200);
}

TEST_F(AuthTest, LoadingAndDrainingAreToldOnlyToThoseWithAKey) {
  const std::string key = NewKey({.name = "k"});
  for (const auto& [state, status, code] :
       std::initializer_list<std::tuple<ServingState, int, const char*>>{
           {ServingState::kLoading, 503, "model_loading"},
           {ServingState::kLeaving, 200, ""},
           {ServingState::kDraining, 503, "shutting_down"}}) {
    services_->state.store(state);
    EXPECT_EQ(Api(Head("POST", kChat, key)).status, status);
    EXPECT_EQ(Api(Head("POST", kChat, key)).code, code);
    EXPECT_EQ(Api(Head("POST", kChat, "")).status, 401);
  }
}

TEST_F(AuthTest, WhatNeedsNoBodyToBeRefusedIsRefusedByTheHead) {
  const std::string key = NewKey({.name = "k", .limits = {.requests_per_minute = 5}});
  http::HttpRequest head = Head("POST", kChat, key);
  head.headers.Set("Content-Type", "text/plain");
  const Verdict refused = Api(head);
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(refused.headers.Get("x-ratelimit-limit-requests"), "5");
  EXPECT_EQ(refused.headers.Get("x-ratelimit-remaining-requests"), "5");
}

TEST_F(AuthTest, APackedBodyIsRefusedByTheHead) {
  const std::string key = NewKey({.name = "k"});
  for (const char* coding : {"gzip", "br", "deflate, gzip", "x-unknown"}) {
    http::HttpRequest head = Head("POST", kChat, key);
    head.headers.Set("Content-Encoding", coding);
    const Verdict refused = Api(head);
    EXPECT_EQ(refused.status, 415) << coding;
    EXPECT_EQ(refused.headers.Get("Accept-Encoding"), "identity") << coding;
  }
  http::HttpRequest plain = Head("POST", kChat, key);
  plain.headers.Set("Content-Encoding", "Identity");
  EXPECT_EQ(Api(plain).status, 200);
  // The second of two counts too.
  plain.headers.Add("Content-Encoding", "gzip");
  EXPECT_EQ(Api(plain).status, 415);
}

TEST_F(AuthTest, ARequestIsInFlightUntilItsContextGoes) {
  http::HttpRequest head = Head("GET", "/v1/models", "");
  EXPECT_FALSE(Authenticate(*services_, head));
  EXPECT_EQ(services_->live.count(), 1u);
  head.context.reset();
  EXPECT_EQ(services_->live.count(), 0u);
}

}  // namespace
}  // namespace infe::server
