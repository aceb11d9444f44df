#include "chat/harmony.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "chat/output_parser.h"
#include "chat/prompt_renderer.h"
#include "chat/spellings/spelling.h"

namespace infe::chat {
namespace {

// Of ours; it writes as gpt-oss' template does, refusals included.
constexpr std::string_view kTemplate = R"({%- if tools %}<|start|>developer<|message|>
{%- for t in tools %}{{ t.function.name }}: {{ t.function.parameters.properties|tojson }}{% endfor %}<|end|>{% endif %}
{%- for m in messages %}
{%- if m.role == 'assistant' %}
{%- if m.tool_calls %}
{%- if m.content and m.thinking %}{{ raise_exception('both') }}{% endif %}
{%- if m.tool_calls|length > 1 %}{{ raise_exception('several') }}{% endif %}
{%- if m.thinking %}<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}
{{- '<|start|>assistant to=functions.' + m.tool_calls[0].function.name + '<|channel|>commentary json<|message|>' + m.tool_calls[0].function.arguments|tojson + '<|call|>' }}
{%- elif loop.last and not add_generation_prompt %}
{%- if m.thinking %}<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}
{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}
{%- else %}{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}{% endif %}
{%- elif m.role == 'tool' %}{{ '<|start|>functions.' + m.name + ' to=assistant<|channel|>commentary<|message|>' + m.content|tojson + '<|end|>' }}
{%- else %}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}
{%- endif %}{% endfor %}
{%- if add_generation_prompt %}<|start|>assistant{% endif %})";

std::unique_ptr<const PromptRenderer> Renderer() {
  auto made = PromptRenderer::Create(kTemplate, {.bos = "<|startoftext|>",
                                                 .eos = "<|return|>",
                                                 .unknown = {},
                                                 .padding = {},
                                                 .adds_bos = false,
                                                 .control = {}});
  EXPECT_TRUE(made);
  return *std::move(made);
}

std::vector<ToolSpec> Tools() {
  return {{.name = "get_weather",
           .description = "Tells",
           .parameters =
               *ParseJson(R"({"type": "object", "properties": {"city": {"type": "string"}}})"),
           .strict = false}};
}

Message Say(Role role, std::string content) {
  Message message;
  message.role = role;
  message.content = std::move(content);
  return message;
}

OutputParserOptions Reading(bool with_tools) {
  OutputParserOptions options;
  options.is_harmony = true;
  options.reasoning = ReasoningMode::kOptional;
  options.tags = HarmonyReasoning();
  if (with_tools) {
    options.tools = HarmonyFormat();
    options.tool_names = {"get_weather"};
  }
  return options;
}

struct Read {
  ParsedOutput out;
  bool reasoning_at_cut = false;
};
Read ReadCut(const OutputParserOptions& options, std::string_view text, size_t cut) {
  OutputParser parser(options);
  std::vector<OutputEvent> events = parser.Feed(text.substr(0, cut));
  Read read;
  read.reasoning_at_cut = parser.is_reasoning();
  for (auto more : {parser.Feed(text.substr(cut)), parser.Finish()})
    events.insert(events.end(), more.begin(), more.end());
  for (const OutputEvent& event : events) {
    if (event.kind == OutputEvent::Kind::kContent) read.out.content += event.text;
    if (event.kind == OutputEvent::Kind::kReasoning) read.out.reasoning += event.text;
    if (event.kind == OutputEvent::Kind::kCallBegin)
      read.out.calls.push_back({event.text, {}, false});
    if (event.kind == OutputEvent::Kind::kCallArguments)
      read.out.calls.at(event.call).arguments += event.text;
    if (event.kind == OutputEvent::Kind::kCallEnd)
      read.out.calls.at(event.call).complete = event.complete;
  }
  return read;
}

// The same for every cut of the text.
ParsedOutput ReadEverywhere(const OutputParserOptions& options, std::string_view text) {
  const ParsedOutput whole = ParseOutput(options, text);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const ParsedOutput out = ReadCut(options, text, cut).out;
    EXPECT_EQ(out.content, whole.content) << cut;
    EXPECT_EQ(out.reasoning, whole.reasoning) << cut;
    EXPECT_EQ(out.calls.size(), whole.calls.size()) << cut;
    for (size_t i = 0; i < std::min(out.calls.size(), whole.calls.size()); ++i) {
      EXPECT_EQ(out.calls[i].name, whole.calls[i].name) << cut;
      EXPECT_EQ(out.calls[i].arguments, whole.calls[i].arguments) << cut;
      EXPECT_EQ(out.calls[i].complete, whole.calls[i].complete) << cut;
    }
  }
  return whole;
}

constexpr std::string_view kThought = "<|channel|>analysis<|message|>Hm, a < b.<|end|>";

TEST(Harmony, IsFoundFromTheTemplate) {
  const auto renderer = Renderer();
  EXPECT_TRUE(renderer->traits().is_harmony);
  EXPECT_TRUE(renderer->traits().has_reasoning);
  EXPECT_EQ(renderer->traits().reasoning_key, ReasoningKey::kThinking);
  EXPECT_EQ(renderer->traits().reasoning_tags, HarmonyReasoning());
  EXPECT_TRUE(renderer->tool_format().is_native);
  EXPECT_EQ(renderer->tool_format().kind, ToolFormat::Kind::kHarmony);
}

TEST(Harmony, AnalysisIsReasoningAndFinalIsContentCutAnywhere) {
  const std::string text =
      std::string(kThought) + "<|start|>assistant<|channel|>final<|message|>Yes, <|no|> 1 < 2.\n";
  for (const bool with_tools : {false, true}) {
    const ParsedOutput out = ReadEverywhere(Reading(with_tools), text);
    EXPECT_EQ(out.reasoning, "Hm, a < b.");
    EXPECT_EQ(out.content, "Yes, <|no|> 1 < 2.\n");
    EXPECT_TRUE(out.calls.empty());
  }
  EXPECT_TRUE(ReadCut(Reading(false), text, kThought.size() - 8).reasoning_at_cut);
  EXPECT_FALSE(ReadCut(Reading(false), text, text.size() - 8).reasoning_at_cut);
}

TEST(Harmony, CallsAreReadInEveryOrderOfTheHeader) {
  for (const std::string header :
       {" to=functions.get_weather<|channel|>commentary json<|message|>",
        "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>",
        "<|channel|>commentary to=functions.get_weather<|constrain|>json<|message|>",
        "<|channel|>commentary to=functions.get_weather<|message|>",
        "<|channel|>analysis to=functions.get_weather code<|message|>"}) {
    for (const std::string end : {"", "<|call|>"}) {
      const ParsedOutput out =
          ReadEverywhere(Reading(true), std::string(kThought) + "<|start|>assistant" + header +
                                            R"({"city": "<|x|> Bern"})" + end);
      EXPECT_EQ(out.reasoning, "Hm, a < b.") << header;
      EXPECT_EQ(out.content, "") << header;
      ASSERT_EQ(out.calls.size(), 1u) << header;
      EXPECT_EQ(out.calls[0].name, "get_weather") << header;
      EXPECT_EQ(out.calls[0].arguments, R"({"city": "<|x|> Bern"})") << header;
      EXPECT_TRUE(out.calls[0].complete) << header;
    }
  }
}

TEST(Harmony, BlanksAroundArgumentsAreDropped) {
  const ParsedOutput out = ReadEverywhere(
      Reading(true), " to=functions.add<|channel|>commentary json<|message|> \n{\"n\": 1 }\n\n");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].arguments, R"({"n": 1 })");
  EXPECT_TRUE(out.calls[0].complete);
}

TEST(Harmony, ASecondCallAndAPreambleAreRead) {
  const std::string call =
      "<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{}<|call|>";
  const ParsedOutput out =
      ReadEverywhere(Reading(true), "<|channel|>commentary<|message|>I look.<|end|>" + call + call);
  EXPECT_EQ(out.content, "I look.");
  ASSERT_EQ(out.calls.size(), 2u);
  EXPECT_TRUE(out.calls[0].complete);
  EXPECT_TRUE(out.calls[1].complete);
}

TEST(Harmony, ACallInsideReasoningIsNotTaken) {
  const ParsedOutput out = ReadEverywhere(
      Reading(true),
      "<|channel|>analysis<|message|>I write to=functions.get_weather {\"city\": 1}<|end|>"
      "<|start|>assistant<|channel|>final<|message|>No.");
  EXPECT_TRUE(out.calls.empty());
  EXPECT_EQ(out.content, "No.");
  EXPECT_EQ(out.reasoning, "I write to=functions.get_weather {\"city\": 1}");
}

TEST(Harmony, WhatTheLimitCutsIsNoContent) {
  const std::string text = std::string(kThought) +
                           "<|start|>assistant<|channel|>commentary to=functions.get_weather "
                           "<|constrain|>json<|message|>{\"city\": \"Bern\"}";
  const size_t arguments = text.find("{");
  for (size_t size = 0; size < text.size(); ++size) {
    const ParsedOutput out = ParseOutput(Reading(true), std::string_view(text).substr(0, size));
    EXPECT_EQ(out.content, "") << size;
    EXPECT_EQ(out.calls.size(), size >= arguments ? 1u : 0u) << size;
    if (!out.calls.empty()) {
      EXPECT_FALSE(out.calls[0].complete) << size;
    }
  }
}

TEST(Harmony, TextWithoutAHeaderIsContent) {
  EXPECT_EQ(ReadEverywhere(Reading(false), "Hello <b> there").content, "Hello <b> there");
  EXPECT_EQ(ReadEverywhere(Reading(false), "to be<|end|>").content, "to be");
  EXPECT_EQ(ReadEverywhere(Reading(false), "<|channel|>" + std::string(300, 'x')).content.size(),
            311u);
}

TEST(Harmony, HistoryIsReplayedAsTheTemplateWantsIt) {
  const auto renderer = Renderer();
  Message answer = Say(Role::kAssistant, "I look.");
  answer.reasoning_content = "Two cities.";
  answer.tool_calls = {{"c1", "get_weather", R"({"city": "Bern"})"},
                       {"c2", "get_weather", R"({"city": "Basel"})"}};
  Message first = Say(Role::kTool, "cold"), second = Say(Role::kTool, "warm");
  first.tool_call_id = "c1";
  second.tool_call_id = "c2";
  PromptRequest request;
  request.tools = Tools();
  request.messages = {Say(Role::kUser, "Hi"), answer, second, first};
  const auto prompt = renderer->Render(request);
  ASSERT_TRUE(prompt) << prompt.error().message;
  const std::string& text = prompt->rendered.text;
  EXPECT_EQ(
      text.substr(text.find("<|start|>user")),
      "<|start|>user<|message|>Hi<|end|>"
      "<|start|>assistant<|channel|>final<|message|>I look.<|end|>"
      "<|start|>assistant<|channel|>analysis<|message|>Two cities.<|end|>"
      "<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>"
      "{\"city\": \"Bern\"}<|call|>"
      "<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>\"cold\"<|end|>"
      "<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>"
      "{\"city\": \"Basel\"}<|call|>"
      "<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>\"warm\"<|end|>"
      "<|start|>assistant");
  EXPECT_EQ(prompt->reasoning, ReasoningMode::kOptional);
}

TEST(Harmony, WhatTheTemplateRendersIsReadBack) {
  const auto renderer = Renderer();
  Message answer = Say(Role::kAssistant, "");
  answer.reasoning_content = "Well.";
  answer.tool_calls = {{"c1", "get_weather", R"({"city": "Bern"})"}};
  PromptRequest request;
  request.tools = Tools();
  request.messages = {Say(Role::kUser, "Hi")};
  const std::string prompt = renderer->Render(request)->rendered.text;
  request.messages.push_back(answer);
  request.add_generation_prompt = false;
  std::string text = renderer->Render(request)->rendered.text;
  ASSERT_TRUE(text.starts_with(prompt)) << text;
  text.erase(0, prompt.size());
  const ParsedOutput out = ReadEverywhere(Reading(true), text);
  EXPECT_EQ(out.reasoning, "Well.");
  EXPECT_EQ(out.content, "");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].arguments, R"({"city": "Bern"})");
}

}  // namespace
}  // namespace infe::chat
