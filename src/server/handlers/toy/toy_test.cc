// A dialect is added by a folder (toy_dialect.h), a handler (toy_handler.h) and a row: nothing else
// of the server knows of it, and it has all that every endpoint has.
#include <gtest/gtest.h>

#include "server/handlers/served_fake.h"
#include "server/handlers/toy/toy_handler.h"

namespace infe::toy {
namespace {

using answer::FakeScript;
using http::testing::ClientResponse;

constexpr server::Dialect kToy{"toy", WriteError};
constexpr server::Endpoint kSay{.method = "POST",
                                .pattern = "/toy/say",
                                .dialect = &kToy,
                                .api_scope = store::KeyScope::kChat,
                                .admin_scope = {},
                                .cost = server::Cost::kGenerates,
                                .body_bytes_max = 1000,
                                .handle = HandleSay};

FakeScript Says() {
  FakeScript script;
  script.events = {{0, answer::Text{"he"}, {}},
                   {0, answer::Text{"llo"}, {}},
                   {0, answer::ChoiceEnd{}, {}},
                   {0, answer::Done{}, {}}};
  return script;
}

TEST(Toy, StreamsAndCollectsTheSameEvents) {
  server::ServedFake served({kSay});
  served.backend().Expect(Says());
  const ClientResponse streamed = served.Post("/toy/say", R"({"say":"hi","model":"fake"})");
  EXPECT_EQ(streamed.status, 200);
  EXPECT_EQ(streamed.body,
            "event: word\ndata: HE\n\nevent: word\ndata: LLO\n\nevent: end\ndata: bye\n\n");
  served.backend().Expect(Says());
  const ClientResponse whole =
      served.Post("/toy/say", R"({"say":"hi","model":"fake","whole":true})");
  EXPECT_EQ(whole.body, R"({"said":"HELLO"})");
  EXPECT_EQ(served.backend().chat_ask().messages.at(0).content, "hi");
}

TEST(Toy, EveryRefusalIsInItsOwnShapeAndNamesItsOwnFields) {
  server::ServedFake served({kSay}, {1, 100'000});
  EXPECT_EQ(served.Post("/toy/say", "{}").body, "no, 400 at say");
  EXPECT_EQ(served.Post("/toy/say", "not json").body.substr(0, 7), "no, 400");
  EXPECT_EQ(served.Post("/toy/say", R"({"say":"x","model":"none"})").status, 404);
  served.backend().Expect(
      {.prepare_error = answer::TooLong({.context_max = 8, .prompt = 9}, "say")});
  EXPECT_EQ(served.Post("/toy/say", R"({"say":"x","model":"fake"})").body, "no, 400 at say");
  EXPECT_EQ(served.Post("/toy/say", std::string(2000, 'x')).status, 413);
  FakeScript broken;
  broken.events = {{0, answer::Failed{answer::DeadlinePassed()}, {}}};
  served.backend().Expect(broken);
  EXPECT_EQ(served.Post("/toy/say", R"({"say":"x","model":"fake"})").body,
            "event: no\ndata: no, 504 at nothing\n\n");
}

TEST(Toy, ItsCallersHaveKeysLimitsAndTheLedgerAsAllHave) {
  server::ServedFake served({kSay});
  const auto key = served.stores().keys().Create(
      {.name = "k", .limits = {.requests_per_minute = 1}}, store::KeyKind::kApi, "test");
  EXPECT_EQ(served.Post("/toy/say", R"({"say":"x","model":"fake"})").body.substr(0, 7), "no, 401");
  EXPECT_EQ(served.Post("/toy/say", R"({"say":"x","model":"fake"})", key->key).status, 200);
  const ClientResponse again = served.Post("/toy/say", R"({"say":"x","model":"fake"})", key->key);
  EXPECT_EQ(again.body.substr(0, 7), "no, 429");
}

}  // namespace
}  // namespace infe::toy
