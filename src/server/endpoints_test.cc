#include "server/endpoints.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/source_dir.h"
#include "http/testing.h"
#include "server/door/accounting.h"
#include "server/door/auth.h"
#include "server/door/errors.h"
#include "server/door/reply.h"
#include "server/services.h"

namespace infe::server {
namespace {

using http::testing::ClientResponse;
using http::testing::Eventually;
using http::testing::RawClient;
using store::KeyScope;

std::vector<Endpoint> GeneratingRows() {
  std::vector<Endpoint> rows;
  for (const Endpoint& row : Endpoints())
    if (row.cost == Cost::kGenerates) rows.push_back(row);
  return rows;
}

TEST(Endpoints, EveryRouteStandsOnceAndHasWhatItNeeds) {
  std::set<std::string> seen;
  for (const Endpoint& row : Endpoints()) {
    const std::string name = std::string(row.method) + " " + row.pattern;
    EXPECT_TRUE(seen.insert(name).second) << name;
    EXPECT_NE(row.handle, nullptr) << name;
    EXPECT_GT(row.body_bytes_max, 0u) << name;
    ASSERT_NE(row.dialect, nullptr) << name;
    EXPECT_NE(row.dialect->write_error, nullptr) << name;
    // What may be asked without a key costs nothing, and is no administration.
    EXPECT_TRUE(row.NeedsKey() || row.cost == Cost::kFree) << name;
    // Every listener that has the row lets some kind of key in.
    EXPECT_TRUE(!row.NeedsKey() || !row.IsOn(Listener::kApi) || row.api_scope) << name;
    EXPECT_TRUE(!row.NeedsKey() || !row.IsOn(Listener::kOps) || row.admin_scope) << name;
  }
}

TEST(Endpoints, AHeadRequestIsJudgedByTheRowOfItsGet) {
  for (const Endpoint& row : Endpoints()) {
    http::HttpRequest request;
    request.route = row.pattern;
    request.method = row.method;
    EXPECT_EQ(FindEndpoint(Endpoints(), request), &row) << row.pattern;
    if (request.method != "GET") continue;
    request.method = "HEAD";
    EXPECT_EQ(FindEndpoint(Endpoints(), request), &row) << row.pattern;
  }
}

// Prompts and answers are the API's, whose door has limits, queue and drain.
TEST(Endpoints, WhatComputesTokensIsOnTheApiAloneAndWantsAScopeForIt) {
  EXPECT_GE(GeneratingRows().size(), 2u);
  for (const Endpoint& row : Endpoints()) {
    if (row.cost == Cost::kFree) continue;
    EXPECT_STREQ(row.method, "POST") << row.pattern;
    EXPECT_EQ(row.where, Where::kApi) << row.pattern;
    ASSERT_TRUE(row.api_scope) << row.pattern;
    EXPECT_NE(store::Bit(*row.api_scope) & store::kGenerationScopes, 0u) << row.pattern;
    EXPECT_FALSE(row.admin_scope) << row.pattern;
  }
}

TEST(Endpoints, ThePageOfEndpointsIsTheTable) {
  std::ifstream in(std::string(kSourceDir) + "/docs/endpoints.md");
  std::stringstream text;
  text << in.rdbuf();
  const std::string table = EndpointsAsMarkdown(Endpoints());
  EXPECT_NE(text.str().find(table), std::string::npos) << "docs/endpoints.md should hold:\n"
                                                       << table;
}

// A dialect as a new one comes: its error, a handler, a row.
std::string WriteEchoError(const refusal::Refusal& error) {
  return "no: " + std::to_string(error.status);
}
constexpr Dialect kEcho{"echo", WriteEchoError};

void Echo(Services&, http::HttpRequest request, WriterPtr writer) {
  const Reply reply(ContextOf(request), std::move(writer));
  if (request.body == "{}") return reply.SendError(refusal::InvalidBody("empty"));
  reply.SendJson(std::move(request.body));
}

constexpr Endpoint kEchoRow{.method = "POST",
                            .pattern = "/echo/v1/say",
                            .dialect = &kEcho,
                            .api_scope = KeyScope::kChat,
                            .admin_scope = {},
                            .cost = Cost::kGenerates,
                            .body_bytes_max = 100,
                            .handle = Echo};

// Both kinds of key, and the API's listener on its real threads, without models.
class EndpointsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "/infe-endpoints-" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(path_);
    stores_ = *store::Store::Open(*store::OpenDataDir(path_), {});
    services_ =
        std::make_unique<Services>(ServerConfig(), models_, *stores_, CacheSalt("test secret"));
    services_->state.store(ServingState::kReady);
    accounting_ = std::make_unique<Accounting>(models_, services_->metrics,
                                               *AccessLog::Open(path_ + "/access.log"));
    chat_ = stores_->keys().Create({.name = "k"}, store::KeyKind::kApi, "test")->key;
    reader_ = stores_->keys()
                  .Create({.name = "r", .scopes = store::Bit(KeyScope::kModelsRead)},
                          store::KeyKind::kApi, "test")
                  ->key;
    rows_.assign(Endpoints().begin(), Endpoints().end());
    rows_.push_back(kEchoRow);
    services_->endpoints = rows_;
    http::ServerOptions options;
    options.error_responder = [this](int status, std::string_view reason,
                                     const http::HttpRequest& head) {
      return ErrorResponse(FindEndpoint(services_->endpoints, head),
                           FromHttpStatus(status, reason));
    };
    options.head_hook = [this](http::HttpRequest& head) {
      auto verdict = Authenticate(*services_, head);
      const std::lock_guard lock(mutex_);
      last_ = std::static_pointer_cast<RequestContext>(head.context);
      return verdict;
    };
    options.on_exchange_end = [this](const http::ExchangeRecord& record) {
      accounting_->OnExchangeEnd(record);
    };
    server_ = http::testing::StartServer(std::move(options),
                                         MakeRoutes(*services_, Listener::kApi, rows_));
  }
  void TearDown() override {
    last_.reset();
    server_.reset();
    services_.reset();
    accounting_.reset();
    stores_.reset();
    std::filesystem::remove_all(path_);
  }

  ClientResponse Post(const std::string& path, const std::string& key, const std::string& body,
                      const std::string& type = "application/json") {
    RawClient client(server_->port());
    EXPECT_TRUE(client.Send(RequestText(path, key, body, type)));
    return client.ReadResponse();
  }
  static std::string RequestText(const std::string& path, const std::string& key,
                                 const std::string& body, const std::string& type) {
    std::string text = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + type +
                       "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    if (!key.empty()) text += "Authorization: Bearer " + key + "\r\n";
    return text + "\r\n" + body;
  }
  std::shared_ptr<RequestContext> Last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  uint64_t Counted(const Endpoint& row, int status) {
    const auto all = services_->metrics.Exchanges();
    const auto found = all.find({row.method, row.pattern, status});
    return found == all.end() ? 0 : found->second;
  }

  std::string path_, chat_, reader_;
  ModelSet models_;
  std::unique_ptr<store::Store> stores_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Accounting> accounting_;
  std::vector<Endpoint> rows_;
  std::mutex mutex_;
  std::shared_ptr<RequestContext> last_;  // guarded by mutex_
  std::unique_ptr<http::HttpServer> server_;
};

// A request that every check but the model's name lets pass. A new dialect adds its own.
std::string BodyFor(const Endpoint& row) {
  const std::string_view path = row.pattern;
  if (path == "/v1/responses" || path == "/v1/embeddings")
    return R"({"model":"nobody","input":"hi"})";
  if (path.ends_with("/rerank")) return R"({"model":"nobody","query":"hi","documents":["ho"]})";
  // The completions, each for what it reads of it.
  return R"({"model":"nobody","prompt":"hi","max_tokens":1,"messages":[{"role":"user","content":"hi"}]})";
}

TEST_F(EndpointsTest, EveryGeneratingRowIsGuardedBoundedDrainedCountedAndCancelled) {
  for (const Endpoint& row : rows_) {
    if (row.cost != Cost::kGenerates) continue;
    SCOPED_TRACE(row.pattern);
    const std::string body = BodyFor(row);
    EXPECT_EQ(Post(row.pattern, "", body).status, 401);
    EXPECT_EQ(Post(row.pattern, reader_, body).status, 403);
    EXPECT_EQ(Post(row.pattern, chat_, body, "text/plain").status, 415);
    services_->state.store(ServingState::kDraining);
    EXPECT_EQ(Post(row.pattern, chat_, body).status, 503);
    services_->state.store(ServingState::kLoading);
    EXPECT_EQ(Post(row.pattern, chat_, body).status, 503);
    services_->state.store(ServingState::kReady);
    // Refused by its announced length, before any of it is sent.
    RawClient big(server_->port());
    ASSERT_TRUE(big.Send("POST " + std::string(row.pattern) +
                         " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + chat_ +
                         "\r\nContent-Type: application/json\r\nContent-Length: " +
                         std::to_string(row.body_bytes_max + 1) + "\r\n\r\n"));
    EXPECT_EQ(big.ReadResponse().status, 413);

    const int answered = Post(row.pattern, chat_, body).status;
    EXPECT_EQ(answered, row.dialect == &kEcho ? 200 : 404);
    // It counted as live, is over, counted under its own name, and nobody works for it any more.
    const auto context = Last();
    ASSERT_NE(context, nullptr);
    EXPECT_STREQ(context->endpoint->pattern, row.pattern);
    EXPECT_TRUE(Eventually([&] { return context->cancelled().load(); }));
    EXPECT_TRUE(Eventually([&] { return Counted(row, answered) == 1; }));
    EXPECT_EQ(Counted(row, 401), 1u);
  }
}

TEST_F(EndpointsTest, ADialectIsAnErrorAHandlerAndARow) {
  const ClientResponse answer = Post(kEchoRow.pattern, chat_, R"({"say":"hi"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"say":"hi"})");
  // Whoever refuses it speaks its dialect: the door, the handler, HTTP itself.
  EXPECT_EQ(Post(kEchoRow.pattern, "", "{}").body, "no: 401");
  EXPECT_EQ(Post(kEchoRow.pattern, chat_, "{}").body, "no: 400");
  EXPECT_EQ(Post(kEchoRow.pattern, chat_, std::string(101, ' ')).body, "no: 413");
  // And nobody else does.
  EXPECT_TRUE(ParseJson(Post("/v1/completions", "", "{}").body));
}

TEST_F(EndpointsTest, AdministrationWantsAKeyAtAnOpenDoorToo) {
  std::filesystem::remove_all(path_ + "-open");
  const auto stores = *store::Store::Open(*store::OpenDataDir(path_ + "-open"), {});
  Services open(ServerConfig(), models_, *stores, CacheSalt("test secret"));
  open.state.store(ServingState::kReady);
  for (const Endpoint& row : Endpoints()) {
    if (!row.NeedsKey()) continue;
    http::HttpRequest head;
    head.method = row.method;
    head.path = head.route = row.pattern;
    head.headers.Add("Host", "localhost");
    if (row.IsOn(Listener::kApi)) {
      const auto refused = Authenticate(open, head);
      EXPECT_EQ(refused.has_value(), row.IsAdministration()) << row.pattern;
      EXPECT_EQ(refused ? refused->status : 403, 403) << row.pattern;
    }
    if (row.IsOn(Listener::kOps)) {
      const auto refused = AuthenticateOps(open, head);
      ASSERT_TRUE(refused) << row.pattern;
      EXPECT_EQ(refused->status, 401) << row.pattern;
    }
  }
  std::filesystem::remove_all(path_ + "-open");
}

}  // namespace
}  // namespace infe::server
