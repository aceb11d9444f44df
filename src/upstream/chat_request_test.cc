#include "upstream/chat_request.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace infe::upstream {
namespace {

using answer::ChatAsk;
using answer::Tool;

ChatAsk Plain() {
  ChatAsk ask;
  ask.messages.resize(1);
  ask.messages[0].content = "Hi";
  ask.messages_origin = "messages";
  return ask;
}

Tool Function(std::string name) {
  Tool tool;
  tool.name = std::move(name);
  tool.parameters = *ParseJson(R"({"type":"object"})");
  tool.origin = "tools[0]";
  return tool;
}

Json Body(const ChatAsk& ask, const UpstreamOptions& to = {}) {
  auto body = ToChatBody(ask, to);
  EXPECT_TRUE(body) << (body ? "" : body.error().error.message);
  return body ? *body : Json::MakeObject();
}

std::string Member(const Json& body, std::string_view name) {
  const Json* member = body.find(name);
  return member == nullptr ? "absent" : member->Dump();
}

TEST(ChatRequest, APlainAskIsAPlainRequest) {
  EXPECT_EQ(WriteChatBody(Body(Plain()), "org/M", {}),
            R"({"model":"org/M","messages":[{"role":"user","content":"Hi"}],"stream":true,)"
            R"("stream_options":{"include_usage":true}})");
}

// One line for each field of an ask; whoever adds a field is sent here by the compiler, and decides
// under which name it goes out or why it does not.
TEST(ChatRequest, AnAskHasNoFieldThatTheseTestsDoNotKnow) {
  const ChatAsk ask = Plain();
  [[maybe_unused]] const auto& [messages, messages_origin, turn, tools, tools_origin, tool_policy,
                                format, sampling, tokens_max, choices, scores, thinking,
                                template_arguments, truncation, purpose, prediction, caller] = ask;
  // What Sampling has of its own cannot be counted so: it is derived.
  [[maybe_unused]] const auto& [temperature, top_p, top_k, min_p, repetition_penalty] =
      static_cast<const PartialSampling&>(sampling);
  [[maybe_unused]] const auto& [min, stop_tokens, stops_origin] = sampling.bounds;
  [[maybe_unused]] const auto& [kind, name, description, parameters, strict, syntax, grammar,
                                origin] = Tool();
  [[maybe_unused]] const auto& [on, effort, thinking_origin, thought_max, thought_origin] =
      thinking;
  [[maybe_unused]] const auto& [role, content, speaker, calls, call_id, reasoning] = messages[0];
  EXPECT_EQ(messages.size(), 1U);
}

struct Row {
  const char* name;      // of the wire
  const char* expected;  // its value there
  std::function<void(ChatAsk&)> set;
};

const std::vector<Row>& OpenAiRows() {
  static const std::vector<Row> rows = {
      {"temperature", "0.25", [](ChatAsk& a) { a.sampling.temperature = 0.25; }},
      {"top_p", "0.5", [](ChatAsk& a) { a.sampling.top_p = 0.5; }},
      {"presence_penalty", "0.5", [](ChatAsk& a) { a.sampling.presence_penalty = 0.5; }},
      {"frequency_penalty", "-1.5", [](ChatAsk& a) { a.sampling.frequency_penalty = -1.5; }},
      {"seed", "18446744073709551615", [](ChatAsk& a) { a.sampling.seed = UINT64_MAX; }},
      {"stop", R"(["END","\n"])", [](ChatAsk& a) { a.sampling.stops = {"END", "\n"}; }},
      {"logit_bias", R"({"5":-10,"7":0.5})",
       [](ChatAsk& a) { a.sampling.logit_bias = {{5, -10}, {7, 0.5}}; }},
      {"max_tokens", "12", [](ChatAsk& a) { a.tokens_max = 12; }},
      {"n", "3", [](ChatAsk& a) { a.choices = 3; }},
      {"logprobs", "true", [](ChatAsk& a) { a.scores.tokens = true; }},
      {"top_logprobs", "4", [](ChatAsk& a) { a.scores = {true, 4}; }},
      {"reasoning_effort", R"("low")",
       [](ChatAsk& a) { a.thinking.effort = answer::Effort::kLow; }},
      {"prediction", R"({"type":"content","content":"Hi"})",
       [](ChatAsk& a) { a.prediction = "Hi"; }},
      {"response_format", R"({"type":"json_object"})",
       [](ChatAsk& a) { a.format.kind = answer::Format::Kind::kJsonObject; }},
      {"response_format",
       R"({"type":"json_schema","json_schema":{"name":"answer","schema":{"a":1}}})",
       [](ChatAsk& a) {
         a.format.kind = answer::Format::Kind::kJsonSchema;
         a.format.schema = *ParseJson(R"({"a":1})");
       }},
      {"response_format",
       R"({"type":"json_schema","json_schema":{"name":"x","schema":true,"strict":true}})",
       [](ChatAsk& a) {
         a.format = {.kind = answer::Format::Kind::kJsonSchema, .schema = true, .strict = true};
         a.format.name = "x";
       }},
      {"tools", R"([{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}])",
       [](ChatAsk& a) { a.tools = {Function("f")}; }},
      {"tools", R"([{"type":"function","function":{"name":"f","description":"d","strict":true}}])",
       [](ChatAsk& a) {
         a.tools = {Function("f")};
         a.tools[0].parameters = Json();
         a.tools[0].description = "d";
         a.tools[0].strict = true;
       }},
      {"tools",
       R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":)"
       R"({"input":{"type":"string"}},"required":["input"],"additionalProperties":false}}}])",
       [](ChatAsk& a) {
         a.tools = {Function("f")};
         a.tools[0].kind = Tool::Kind::kCustom;
       }},
      {"tools", R"([{"type":"function","function":{"name":"g","parameters":{"type":"object"}}}])",
       [](ChatAsk& a) {
         a.tools = {Function("f"), Function("g")};
         a.tool_policy.allowed = {"g"};
       }},
      {"tool_choice", R"("none")",
       [](ChatAsk& a) {
         a.tools = {Function("f")};
         a.tool_policy.mode = answer::ToolPolicy::Mode::kNone;
       }},
      {"tool_choice", R"("required")",
       [](ChatAsk& a) {
         a.tools = {Function("f")};
         a.tool_policy.mode = answer::ToolPolicy::Mode::kRequired;
       }},
      {"tool_choice", R"({"type":"function","function":{"name":"f"}})",
       [](ChatAsk& a) {
         a.tools = {Function("f")};
         a.tool_policy = {.mode = answer::ToolPolicy::Mode::kNamed, .allowed = {{"f"}}};
       }},
      {"parallel_tool_calls", "false",
       [](ChatAsk& a) {
         a.tools = {Function("f")};
         a.tool_policy.calls_max = 1;
       }},
  };
  return rows;
}

const std::vector<Row>& ExtendedRows() {
  static const std::vector<Row> rows = {
      {"top_k", "5", [](ChatAsk& a) { a.sampling.top_k = 5; }},
      {"min_p", "0.1", [](ChatAsk& a) { a.sampling.min_p = 0.1; }},
      {"repetition_penalty", "1.1", [](ChatAsk& a) { a.sampling.repetition_penalty = 1.1; }},
      {"ignore_eos", "true", [](ChatAsk& a) { a.sampling.ignore_eos = true; }},
      {"min_tokens", "3", [](ChatAsk& a) { a.sampling.bounds.min = 3; }},
      {"stop_token_ids", "[7,9]",
       [](ChatAsk& a) { a.sampling.bounds = {0, {7, 9}, "stop_token_ids"}; }},
      {"include_stop_str_in_output", "true",
       [](ChatAsk& a) { a.sampling.stop_text = answer::StopText::kKept; }},
      {"truncation", R"("auto")",
       [](ChatAsk& a) { a.truncation = answer::Truncation::kDropOldest; }},
      {"structured_outputs", R"({"regex":"a+"})",
       [](ChatAsk& a) {
         a.format = {.kind = answer::Format::Kind::kRegex, .text = "a+", .origin = "x"};
       }},
      {"structured_outputs", R"({"grammar":"root ::= x"})",
       [](ChatAsk& a) {
         a.format = {.kind = answer::Format::Kind::kGrammar, .text = "root ::= x", .origin = "x"};
       }},
      {"structured_outputs", R"({"choice":["a","b"]})",
       [](ChatAsk& a) {
         a.format = {.kind = answer::Format::Kind::kChoice, .choices = {"a", "b"}, .origin = "x"};
       }},
      {"chat_template_kwargs", R"({"enable_thinking":false})",
       [](ChatAsk& a) {
         a.thinking.on = false;
         a.thinking.origin = "thinking";
       }},
      {"chat_template_kwargs", R"({"a":1,"enable_thinking":true})",
       [](ChatAsk& a) {
         a.template_arguments = {*ParseJson(R"({"a":1})"), "chat_template_kwargs"};
         a.thinking.on = true;
       }},
      {"thinking_token_budget", "64",
       [](ChatAsk& a) {
         a.thinking.tokens_max = 64;
         a.thinking.tokens_max_origin = "budget";
       }},
      {"add_generation_prompt", "false", [](ChatAsk& a) { a.turn = answer::Turn::kNone; }},
      {"add_generation_prompt", "false", [](ChatAsk& a) { a.turn = answer::Turn::kContinued; }},
      {"continue_final_message", "true", [](ChatAsk& a) { a.turn = answer::Turn::kContinued; }},
  };
  return rows;
}

TEST(ChatRequest, EveryFieldIsInTheBody) {
  const Json plain = Body(Plain());
  for (const auto* rows : {&OpenAiRows(), &ExtendedRows()})
    for (const Row& row : *rows) {
      ChatAsk ask = Plain();
      row.set(ask);
      EXPECT_EQ(Member(plain, row.name), "absent");
      EXPECT_EQ(Member(Body(ask), row.name), row.expected);
    }
}

TEST(ChatRequest, AServerOfOpenAisFieldsAloneGetsThoseAndNoOthers) {
  const UpstreamOptions strict{.extended = false};
  for (const Row& row : OpenAiRows()) {
    ChatAsk ask = Plain();
    row.set(ask);
    EXPECT_EQ(Member(Body(ask, strict), row.name), row.expected);
  }
  for (const Row& row : ExtendedRows()) {
    ChatAsk ask = Plain();
    row.set(ask);
    const auto body = ToChatBody(ask, strict);
    ASSERT_FALSE(body) << row.name;
    EXPECT_EQ(body.error().kind, answer::AnswerError::Kind::kInvalid);
    EXPECT_NE(body.error().origin, "") << row.name << ": a client is told which field it is";
  }
}

TEST(ChatRequest, WhatNoServerCanBeToldIsRefused) {
  const auto refused = [](const std::function<void(ChatAsk&)>& set) {
    ChatAsk ask = Plain();
    ask.tools = {Function("f")};
    ask.tools_origin = "tools";
    set(ask);
    const auto body = ToChatBody(ask, {});
    EXPECT_FALSE(body);
    return body ? std::string() : body.error().origin;
  };
  EXPECT_EQ(refused([](ChatAsk& a) { a.tool_policy.calls_max = 2; }), "tools");
  EXPECT_EQ(refused([](ChatAsk& a) {
              a.tools[0].kind = Tool::Kind::kCustom;
              a.tools[0].input_syntax = Tool::InputSyntax::kLark;
            }),
            "tools[0]");
}

// The error names the first field, in the order of writing, not whichever came last.
TEST(ChatRequest, OfSeveralRefusalsTheFirstIsTold) {
  ChatAsk ask = Plain();
  ask.sampling.top_k = 5;
  ask.sampling.ignore_eos = true;
  const auto body = ToChatBody(ask, {.extended = false});
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().origin, "top_k");
}

TEST(ChatRequest, EffortSaysWhetherToThinkAtAll) {
  ChatAsk ask = Plain();
  ask.thinking = {.on = true, .effort = answer::Effort::kHigh};
  EXPECT_EQ(Member(Body(ask), "chat_template_kwargs"), "absent");
  EXPECT_EQ(Member(Body(ask), "reasoning_effort"), R"("high")");
}

TEST(ChatRequest, AnEmptyLastMessageIsNotGoneOnWith) {
  ChatAsk ask = Plain();
  ask.turn = answer::Turn::kContinued;
  ask.messages[0].content = " \n";
  EXPECT_EQ(Member(Body(ask), "continue_final_message"), "absent");
}

TEST(ChatRequest, AConversationIsWrittenWithItsCalls) {
  ChatAsk ask = Plain();
  ask.messages.resize(4);
  ask.messages[0].role = chat::Role::kSystem;
  ask.messages[0].content = "Be brief.";
  ask.messages[0].name = "op";
  ask.messages[1].content = "2+2?";
  ask.messages[2].role = chat::Role::kAssistant;
  ask.messages[2].tool_calls = {{"c1", "sum", R"({"a":2})"}};
  ask.messages[2].reasoning_content = "Sum.";
  ask.messages[3].role = chat::Role::kTool;
  ask.messages[3].content = "4";
  ask.messages[3].tool_call_id = "c1";
  const std::string call =
      R"("tool_calls":[{"id":"c1","type":"function","function":{"name":"sum","arguments":"{\"a\":2}"}}]})";
  EXPECT_EQ(
      Member(Body(ask), "messages"),
      R"([{"role":"system","content":"Be brief.","name":"op"},{"role":"user","content":"2+2?"},)"
      R"({"role":"assistant","content":null,"reasoning_content":"Sum.",)" +
          call + R"(,{"role":"tool","content":"4","tool_call_id":"c1"}])");
  // OpenAI's API has no field for earlier thoughts, and needs none.
  EXPECT_EQ(Member(Body(ask, {.extended = false}), "messages").find("Sum."), std::string::npos);
}

TEST(ChatRequest, EachServerHasItsNamesForModelAndLimit) {
  ChatAsk ask = Plain();
  ask.tokens_max = 7;
  const Json body = Body(ask);
  const auto written = [&](const UpstreamOptions& to) {
    return *ParseJson(WriteChatBody(body, "a \"b\"", to));
  };
  EXPECT_EQ(Member(written({}), "max_tokens"), "7");
  const Json newer = written({.tokens_field = "max_completion_tokens"});
  EXPECT_EQ(Member(newer, "max_completion_tokens"), "7");
  EXPECT_EQ(Member(newer, "max_tokens"), "absent");
  EXPECT_EQ(newer.find("model")->as_string(), "a \"b\"");
}

}  // namespace
}  // namespace infe::upstream
