// Who is let in to a model, over a fake one: limits of the key, the queue, the ledger's row.
#include "server/door/admission.h"

#include <gtest/gtest.h>

#include "server/handlers/served_fake.h"

namespace infe::server {
namespace {

using answer::FakeScript;
using http::testing::ClientResponse;
using http::testing::Eventually;
using http::testing::RawClient;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kHello = R"({"model":"fake","messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kTwo =
    R"({"model":"fake","n":2,"messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kStream =
    R"({"model":"fake","stream":true,"messages":[{"role":"user","content":"hi"}]})";

FakeScript Endless() {
  FakeScript script;
  script.events = {{0, answer::Text{"a"}, {}}};
  script.goes_on = true;
  return script;
}

TEST(Admission, AModelThatIsNotServedOrNotTheKeysIsUnknown) {
  ServedFake served;
  EXPECT_EQ(
      served.Post(kChat, R"({"model":"none","messages":[{"role":"user","content":"x"}]})").status,
      404);
  const auto key = served.stores().keys().Create({.name = "k", .models = {"other"}},
                                                 store::KeyKind::kApi, "test");
  EXPECT_EQ(served.Post(kChat, kHello, key->key).status, 404);
}

TEST(Admission, AFullQueueRefusesUntilAPlaceIsGivenBack) {
  ServedFake served({}, {1, 100'000});
  served.backend().Expect(Endless());
  RawClient first(served.port());
  ASSERT_TRUE(first.Send(ServedFake::Request(kChat, kStream)));
  EXPECT_FALSE(first.Read().empty());
  EXPECT_EQ(served.Post(kChat, kHello).status, 503);
  first.Reset();
  EXPECT_TRUE(Eventually([&] { return served.Post(kChat, kHello).status == 200; }));
}

TEST(Admission, EveryChoiceTakesAPlace) {
  ServedFake served({}, {2, 100'000});
  served.backend().Expect(Endless());
  RawClient first(served.port());
  ASSERT_TRUE(first.Send(ServedFake::Request(kChat, kStream)));
  EXPECT_FALSE(first.Read().empty());
  EXPECT_EQ(served.Post(kChat, kTwo).status, 503);
  EXPECT_EQ(served.Post(kChat, kHello).status, 200);
}

// What a long body gets beside a prompt that is under way, where the queue holds so many tokens.
int LongBodyBesideAPrompt(uint64_t queue_tokens) {
  ServedFake served({}, {8, queue_tokens});
  served.backend().Expect({.goes_on = true});  // its first token does not come
  RawClient first(served.port());
  first.Send(ServedFake::Request(kChat, kStream));
  EXPECT_TRUE(Eventually([&] { return !served.backend().chat_ask().messages.empty(); }));
  const std::string long_body = R"({"model":"fake","messages":[{"role":"user","content":")" +
                                std::string(40'000, 'x') + R"("}]})";
  return served.Post(kChat, long_body).status;
}

TEST(Admission, APromptThatNoContextHoldsTakesNoMoreOfTheQueueThanTheContext) {
  EXPECT_EQ(LongBodyBesideAPrompt(1'500), 200);  // the fake one's context is 1000
}

TEST(Admission, WhatTheContextHoldsOfAPromptIsCountedWhole) {
  EXPECT_EQ(LongBodyBesideAPrompt(900), 503);
}

TEST(Admission, WhatIsRefusedLaterGivesItsPlaceBack) {
  ServedFake served({}, {1, 100'000});
  for (int i = 0; i < 3; ++i) {
    served.backend().Expect({.prepare_error = answer::InvalidAt("messages", "no")});
    EXPECT_EQ(served.Post(kChat, kHello).status, 400);
  }
  EXPECT_TRUE(Eventually([&] { return served.Post(kChat, kHello).status == 200; }));
}

TEST(Admission, LimitsOfAKeyAreItsOwn) {
  ServedFake served;
  const auto tight = served.stores().keys().Create(
      {.name = "tight", .limits = {.requests_per_minute = 1}}, store::KeyKind::kApi, "test");
  const auto free = served.stores().keys().Create({.name = "free"}, store::KeyKind::kApi, "test");
  EXPECT_EQ(served.Post(kChat, kHello, tight->key).status, 200);
  const ClientResponse refused = served.Post(kChat, kHello, tight->key);
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.head.find("Retry-After"), std::string::npos) << refused.head;
  EXPECT_EQ(served.Post(kChat, kHello, free->key).status, 200);
}

TEST(Admission, WhatOnlyReadsIsNotHeldUpByAFullQueue) {
  ServedFake served({}, {1, 100'000});
  served.backend().Expect(Endless());
  RawClient first(served.port());
  ASSERT_TRUE(first.Send(ServedFake::Request(kChat, kStream)));
  EXPECT_FALSE(first.Read().empty());
  EXPECT_EQ(served.Post("/v1/chat/completions/input_tokens", kHello).status, 200);
}

}  // namespace
}  // namespace infe::server
