#include <gtest/gtest.h>

#include "api/openai/chat_ask.h"
#include "api/openai/text_ask.h"

namespace infe::api {
namespace {

answer::ChatAsk Chat(std::string_view fields) {
  const std::string body =
      R"({"model":"m","messages":[{"role":"developer","content":"be"},{"role":"user","content":"hi"}])" +
      std::string(fields) + "}";
  const auto request = ParseChatCompletionRequest(body);
  EXPECT_TRUE(request) << (request ? "" : request.error().message);
  return ToAsk(*request);
}

TEST(ChatAsk, MessagesLoseTheWiresNamesAndKeepTheirText) {
  const answer::ChatAsk ask = Chat("");
  ASSERT_EQ(ask.messages.size(), 2u);
  EXPECT_EQ(ask.messages[0].role, chat::Role::kSystem);
  EXPECT_EQ(ask.messages[1].content, "hi");
  EXPECT_EQ(ask.messages_origin, "messages");
  EXPECT_EQ(ask.choices, 1u);
  EXPECT_FALSE(ask.tokens_max);
  EXPECT_FALSE(ask.sampling.seed);
}

TEST(ChatAsk, ToolsCarryTheirPathsAndTheirPolicy) {
  const std::string tools =
      R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},
         {"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":
         {"syntax":"regex","definition":"a+"}}}}])";
  answer::ChatAsk ask = Chat(tools);
  ASSERT_EQ(ask.tools.size(), 2u);
  EXPECT_EQ(ask.tools[0].origin, "tools[0].function.parameters");
  EXPECT_EQ(ask.tools[1].kind, answer::Tool::Kind::kCustom);
  EXPECT_EQ(ask.tools[1].input_syntax, answer::Tool::InputSyntax::kRegex);
  EXPECT_EQ(ask.tool_policy.mode, answer::ToolPolicy::Mode::kAuto);
  EXPECT_FALSE(ask.tool_policy.allowed);
  EXPECT_EQ(ask.tool_policy.calls_max, 0u);
  ask = Chat(tools + R"(,"parallel_tool_calls":false,
      "tool_choice":{"type":"function","function":{"name":"f"}})");
  EXPECT_EQ(ask.tool_policy.mode, answer::ToolPolicy::Mode::kNamed);
  EXPECT_EQ(ask.tool_policy.allowed, std::vector<std::string>{"f"});
  EXPECT_EQ(ask.tool_policy.calls_max, 1u);
}

TEST(ChatAsk, TheOlderFunctionsAllowOneCall) {
  const answer::ChatAsk ask = Chat(R"(,"functions":[{"name":"f","parameters":{"type":"object"}}])");
  EXPECT_EQ(ask.tool_policy.calls_max, 1u);
  EXPECT_EQ(ask.tools[0].origin, "functions[0].parameters");
}

TEST(ChatAsk, NumbersSwitchesAndTheTierComeAlong) {
  const answer::ChatAsk ask =
      Chat(R"(,"n":3,"seed":11,"stop":["a","b"],"logprobs":true,"top_logprobs":2,
      "max_completion_tokens":9,"reasoning_effort":"none","truncation":"auto","temperature":0.5,
      "service_tier":"flex","logit_bias":{"4":2},"response_format":{"type":"json_object"})");
  EXPECT_EQ(ask.choices, 3u);
  EXPECT_EQ(ask.sampling.seed, 11u);
  EXPECT_EQ(ask.sampling.stops.size(), 2u);
  EXPECT_EQ(ask.sampling.temperature, 0.5);
  EXPECT_TRUE(ask.scores.tokens);
  EXPECT_EQ(ask.scores.top, 2u);
  EXPECT_EQ(ask.tokens_max, 9);
  EXPECT_EQ(ask.thinking.on, false);
  EXPECT_EQ(ask.thinking.origin, "reasoning_effort");
  EXPECT_EQ(ask.truncation, answer::Truncation::kDropOldest);
  EXPECT_EQ(ask.caller.priority, answer::Priority::kFlex);
  ASSERT_EQ(ask.sampling.logit_bias.size(), 1u);
  EXPECT_EQ(ask.sampling.logit_bias_origin, "logit_bias");
  EXPECT_EQ(ask.format.kind, answer::Format::Kind::kJsonObject);
  EXPECT_EQ(ask.format.origin, "response_format");
}

TEST(TextAsk, PromptsEchoAndScoresComeAlong) {
  const auto request = ParseCompletionRequest(
      R"({"model":"m","prompt":[[1,2],[3]],"n":2,"echo":true,"logprobs":3,"max_tokens":0})");
  ASSERT_TRUE(request);
  const answer::TextAsk ask = ToAsk(*request);
  ASSERT_EQ(ask.prompts.size(), 2u);
  EXPECT_EQ(std::get<std::vector<int64_t>>(ask.prompts[0]), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(ask.prompts_origin, "prompt");
  EXPECT_EQ(ask.choices, 2u);
  EXPECT_EQ(ask.tokens_max, 0);
  EXPECT_TRUE(ask.echo);
  EXPECT_TRUE(ask.scores.tokens);
  EXPECT_EQ(ask.scores.top, 3u);
}

}  // namespace
}  // namespace infe::api
