// What every route that generates owes, whatever its dialect: one walk over the table of endpoints.
// A new generating row adds how it is asked, or fails here.
#include <map>

#include <gtest/gtest.h>

#include "server/handlers/served_fake.h"
#include "server/metrics/metrics.h"

namespace infe::server {
namespace {

using answer::FakeScript;
using http::testing::Eventually;
using http::testing::RawClient;

struct Asking {
  std::string plain, streamed;  // streamed "": it never is
  uint32_t answer_tokens = 1;
};
constexpr const char* kRanking = R"({"model":"fake","query":"q","documents":["hi"]})";
const std::map<std::string, Asking>& Askings() {
  static const std::map<std::string, Asking> askings{
      {"/v1/chat/completions",
       {R"({"model":"fake","messages":[{"role":"user","content":"hi"}]})",
        R"({"model":"fake","messages":[{"role":"user","content":"hi"}],"stream":true})"}},
      {"/v1/completions",
       {R"({"model":"fake","prompt":"hi"})", R"({"model":"fake","prompt":"hi","stream":true})"}},
      {"/v1/messages",
       {R"({"model":"fake","max_tokens":9,"messages":[{"role":"user","content":"hi"}]})",
        R"({"model":"fake","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":true})"}},
      {"/v1/responses",
       {R"({"model":"fake","input":"hi"})", R"({"model":"fake","input":"hi","stream":true})"}},
      {"/v1/embeddings", {R"({"model":"fake","input":"hi"})", "", 0}},
      {"/v1/rerank", {kRanking, "", 0}},
      {"/v2/rerank", {kRanking, "", 0}},
      {"/rerank", {kRanking, "", 0}},
  };
  return askings;
}

std::vector<std::pair<const Endpoint*, Asking>> GeneratingRoutes() {
  std::vector<std::pair<const Endpoint*, Asking>> routes;
  for (const Endpoint& row : Endpoints()) {
    if (row.cost != Cost::kGenerates) continue;
    const auto asking = Askings().find(row.pattern);
    if (asking == Askings().end())
      ADD_FAILURE() << row.pattern << " generates; say in this test how it is asked";
    else
      routes.emplace_back(&row, asking->second);
  }
  return routes;
}

// Asks for an answer that goes on, and returns when it has begun.
void Begin(ServedFake& served, RawClient& client, std::string_view path, const Asking& asking) {
  const bool streams = !asking.streamed.empty();
  ASSERT_TRUE(client.Send(ServedFake::Request(path, streams ? asking.streamed : asking.plain)));
  if (streams) {
    EXPECT_FALSE(client.Read().empty());
    return;
  }
  EXPECT_TRUE(Eventually([&] { return !served.backend().embed_ask().texts.empty(); }));
}

FakeScript Answer() {
  FakeScript script;
  script.events = {{0, answer::Text{"hello"}, {}},
                   {0, answer::ChoiceEnd{}, {}},
                   {0, answer::Done{{.prompt_tokens = 3, .completion_tokens = 1}}, {}}};
  return script;
}

std::string NewKey(ServedFake& served, const store::KeyPolicy& policy) {
  return served.stores().keys().Create(policy, store::KeyKind::kApi, "test")->key;
}

TEST(GeneratingRoutes, EachWantsAKeyWithItsScope) {
  for (const auto& [row, asking] : GeneratingRoutes()) {
    SCOPED_TRACE(row->pattern);
    ServedFake served;
    const std::string wrong = NewKey(
        served, {.name = "wrong", .scopes = store::kApiScopes & ~store::Bit(*row->api_scope)});
    const std::string right =
        NewKey(served, {.name = "right", .scopes = store::Bit(*row->api_scope)});
    served.backend().Expect(Answer());
    EXPECT_EQ(served.Post(row->pattern, asking.plain).status, 401);
    EXPECT_EQ(served.Post(row->pattern, asking.plain, wrong).status, 403);
    EXPECT_EQ(served.Post(row->pattern, asking.plain, right).status, 200);
  }
}

TEST(GeneratingRoutes, EachCountsTowardsTheLimitsOfItsKey) {
  for (const auto& [row, asking] : GeneratingRoutes()) {
    SCOPED_TRACE(row->pattern);
    ServedFake served;
    const std::string key = NewKey(served, {.name = "k", .limits = {.requests_per_minute = 1}});
    served.backend().Expect(Answer());
    EXPECT_EQ(served.Post(row->pattern, asking.plain, key).status, 200);
    EXPECT_EQ(served.Post(row->pattern, asking.plain, key).status, 429);
  }
}

TEST(GeneratingRoutes, EachIsRefusedEarlyWhereTheQueueIsFull) {
  for (const auto& [row, asking] : GeneratingRoutes()) {
    SCOPED_TRACE(row->pattern);
    ServedFake served({}, {1, 100'000});
    FakeScript script = Answer();
    script.events.resize(1);
    script.goes_on = true;
    served.backend().Expect(script);
    RawClient first(served.port());
    Begin(served, first, row->pattern, asking);
    EXPECT_EQ(served.Post(row->pattern, asking.plain).status, 503);
    // Before its body is read: the head alone gets the answer.
    RawClient second(served.port());
    ASSERT_TRUE(second.Send("POST " + std::string(row->pattern) +
                            " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            "Content-Length: 1000\r\n\r\n"));
    EXPECT_EQ(second.ReadResponse().status, 503);
    first.Reset();
  }
}

TEST(GeneratingRoutes, EachIsInTheLedgerAndInTheMetrics) {
  for (const auto& [row, asking] : GeneratingRoutes()) {
    SCOPED_TRACE(row->pattern);
    ServedFake served;
    const std::string key = NewKey(served, {.name = "k", .project = "p"});
    for (const std::string& body :
         {asking.plain, asking.streamed.empty() ? asking.plain : asking.streamed}) {
      served.backend().Expect(Answer());
      EXPECT_EQ(served.Post(row->pattern, body, key).status, 200);
    }
    EXPECT_TRUE(Eventually([&] {
      const auto rows = served.services().usage.Rows({}, 10);
      if (!rows || rows->size() != 2) return false;
      for (const store::UsageRow& used : *rows)
        if (used.endpoint != row->pattern || used.project != "p" || used.prompt_tokens != 3 ||
            used.completion_tokens != asking.answer_tokens || used.finish.empty())
          return false;
      return true;
    }));
    const auto& metrics = served.services().metrics.Model("fake");
    EXPECT_TRUE(Eventually(
        [&] { return metrics.finished[static_cast<size_t>(Finish::kStop)].load() == 2; }));
  }
}

TEST(GeneratingRoutes, EachIsCancelledWithItsClient) {
  for (const auto& [row, asking] : GeneratingRoutes()) {
    SCOPED_TRACE(row->pattern);
    ServedFake served;
    FakeScript script = Answer();
    script.events.resize(1);
    script.goes_on = true;
    served.backend().Expect(script);
    RawClient client(served.port());
    Begin(served, client, row->pattern, asking);
    client.Reset();
    EXPECT_TRUE(Eventually(
        [&] { return served.backend().diary().lines() == std::vector<std::string>{"abandoned"}; }));
    EXPECT_TRUE(Eventually([&] { return served.services().live.count() == 0; }));
  }
}

}  // namespace
}  // namespace infe::server
