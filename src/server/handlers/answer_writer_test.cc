// Chat and text completions from the socket to the backend's events and back, without a model.
#include "server/handlers/answer_writer.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "server/handlers/served_fake.h"

namespace infe::server {
namespace {

using answer::FakeScript;
using http::testing::ClientResponse;
using http::testing::Eventually;
using http::testing::RawClient;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kHello = R"({"model":"fake","messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kStream =
    R"({"model":"fake","stream":true,"messages":[{"role":"user","content":"hi"}]})";

FakeScript Says(const std::string& text) {
  FakeScript script;
  script.events = {{0, answer::Text{text}, {}},
                   {0, answer::ChoiceEnd{}, {}},
                   {0, answer::Done{{.prompt_tokens = 3, .completion_tokens = 1}}, {}}};
  return script;
}

Json Parse(const std::string& text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  return *json;
}

TEST(AnswerWriter, AWholeAnswerHasItsHeadersAndItsBody) {
  ServedFake served;
  FakeScript script = Says("hello");
  script.facts.truncated_messages = 2;
  script.facts.ignored = {"reasoning_effort"};
  served.backend().Expect(script);
  const ClientResponse response = served.Post(kChat, kHello);
  EXPECT_EQ(response.status, 200);
  for (const char* header :
       {"x-infe-seed: 7", "x-infe-truncated-messages: 2", "x-infe-ignored-params: reasoning_effort",
        "Server-Timing: prepare;dur=", "Content-Type: application/json"})
    EXPECT_NE(response.head.find(header), std::string::npos) << header << "\n" << response.head;
  const Json body = Parse(response.body);
  EXPECT_EQ(body.find("choices")->array()[0].find("message")->find("content")->as_string(),
            "hello");
  EXPECT_EQ(*body.find("usage")->find("prompt_tokens")->as_int64(), 3);
}

TEST(AnswerWriter, AStreamIsServerSentEventsToItsEnd) {
  ServedFake served;
  served.backend().Expect(Says("hello"));
  const ClientResponse response = served.Post(kChat, kStream);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.complete);
  EXPECT_NE(response.head.find("text/event-stream"), std::string::npos);
  EXPECT_NE(response.body.find("\"content\":\"hello\""), std::string::npos);
  EXPECT_TRUE(response.body.ends_with("data: [DONE]\n\n")) << response.body;
}

TEST(AnswerWriter, WhateverIsRefusedBeforeTheStartHasAStatusOfItsOwn) {
  ServedFake served;
  const answer::AnswerError busy =
      answer::ToAnswerError({ErrorCode::kResourceExhausted, "full", {}});
  for (const char* body : {kHello, kStream}) {
    served.backend().Expect({.prepare_error = answer::InvalidAt("messages", "none of it")});
    EXPECT_EQ(served.Post(kChat, body).status, 400);
    served.backend().Expect({.compile_error = answer::InvalidAt("tools", "cannot")});
    EXPECT_EQ(served.Post(kChat, body).status, 400);
    served.backend().Expect({.start_error = busy});
    EXPECT_EQ(served.Post(kChat, body).status, 503);
  }
}

TEST(AnswerWriter, AFailureBehindTheFirstByteIsTheLastEvent) {
  ServedFake served;
  FakeScript script;
  script.events = {{0, answer::Text{"a"}, {}}, {0, answer::Failed{answer::DeadlinePassed()}, {}}};
  served.backend().Expect(script);
  const ClientResponse streamed = served.Post(kChat, kStream);
  EXPECT_EQ(streamed.status, 200);
  EXPECT_NE(streamed.body.find("\"code\":\"timeout\""), std::string::npos) << streamed.body;
  EXPECT_EQ(streamed.body.find("[DONE]"), std::string::npos);
  served.backend().Expect(script);
  EXPECT_EQ(served.Post(kChat, kHello).status, 504);  // nothing was sent before it is whole
}

TEST(AnswerWriter, AGrammarThatIsNotKeptIsCompiledOnceForAll) {
  ServedFake served;
  for (int i = 0; i < 3; ++i) {
    FakeScript script = Says("x");
    script.grammar_key = "shape";
    served.backend().Expect(script);
    EXPECT_EQ(served.Post(kChat, kHello).status, 200);
  }
  EXPECT_EQ(served.backend().diary().lines(), std::vector<std::string>{"compiled shape"});
}

TEST(AnswerWriter, AClientThatLeavesAbandonsItsAnswer) {
  ServedFake served;
  FakeScript script;
  script.events = {{0, answer::Text{"a"}, {}}};
  script.goes_on = true;
  served.backend().Expect(script);
  RawClient client(served.port());
  ASSERT_TRUE(client.Send(ServedFake::Request(kChat, kStream)));
  EXPECT_FALSE(client.Read().empty());
  client.Reset();
  EXPECT_TRUE(Eventually(
      [&] { return served.backend().diary().lines() == std::vector<std::string>{"abandoned"}; }));
  EXPECT_TRUE(Eventually([&] { return served.services().live.count() == 0; }));
}

TEST(AnswerWriter, AServerThatStopsTellsEveryAnswerThatIsUnderWay) {
  ServedFake served;
  FakeScript script;
  script.events = {{0, answer::Text{"a"}, {}}};
  script.goes_on = true;
  served.backend().Expect(script);
  RawClient client(served.port());
  ASSERT_TRUE(client.Send(ServedFake::Request(kChat, kStream)));
  std::string seen = client.Read();
  // Perhaps before the answer is known to be under way: then it is told as soon as it is.
  served.services().answers.FailAll(answer::Stopping(1000));
  while (seen.find("shutting_down") == std::string::npos) {
    const std::string more = client.Read();
    ASSERT_FALSE(more.empty()) << seen;
    seen += more;
  }
}

TEST(AnswerWriter, TheAskIsTheRequestAndItsCaller) {
  ServedFake served;
  const auto key =
      served.stores().keys().Create({.name = "k", .weight = 3}, store::KeyKind::kApi, "test");
  served.backend().Expect(Says("x"));
  EXPECT_EQ(served
                .Post(kChat, R"({"model":"fake","service_tier":"flex","seed":5,
      "messages":[{"role":"user","content":"hi"}]})",
                      key->key)
                .status,
            200);
  const answer::ChatAsk ask = served.backend().chat_ask();
  EXPECT_EQ(ask.messages.at(0).content, "hi");
  EXPECT_EQ(ask.sampling.seed, 5u);
  EXPECT_EQ(ask.caller.priority, answer::Priority::kFlex);
  EXPECT_EQ(ask.caller.fairness_weight, 3);
  EXPECT_EQ(ask.caller.cache_salt.size(), 32u);
}

TEST(AnswerWriter, TextCompletionsGoTheSameWay) {
  ServedFake served;
  FakeScript script;
  script.events = {{0, answer::Prompt{"a"}, {}}, {1, answer::Prompt{"b"}, {}},
                   {1, answer::Text{"y"}, {}},   {0, answer::Text{"x"}, {}},
                   {0, answer::ChoiceEnd{}, {}}, {1, answer::ChoiceEnd{}, {}},
                   {0, answer::Done{}, {}}};
  served.backend().Expect(script);
  const ClientResponse response =
      served.Post("/v1/completions", R"({"model":"fake","prompt":["a","b"],"echo":true})");
  ASSERT_EQ(response.status, 200);
  const Json body = Parse(response.body);
  EXPECT_EQ(body.find("choices")->array()[0].find("text")->as_string(), "ax");
  EXPECT_EQ(body.find("choices")->array()[1].find("text")->as_string(), "by");
  EXPECT_EQ(served.backend().text_ask().prompts.size(), 2u);
}

TEST(AnswerWriter, WhatOnlyReadsAPromptStartsNothing) {
  ServedFake served;
  served.backend().Expect(Says("never"));
  const ClientResponse counted = served.Post("/v1/chat/completions/input_tokens", kHello);
  EXPECT_EQ(counted.status, 200);
  EXPECT_EQ(*Parse(counted.body).find("input_tokens")->as_int64(), 3);
  EXPECT_EQ(counted.body.find("never"), std::string::npos);
}

}  // namespace
}  // namespace infe::server
