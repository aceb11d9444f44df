#include "answer/call_grammar.h"

#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "chat/harmony.h"
#include "chat/output_parser.h"
#include "grammar/test_vocab.h"

namespace infe::answer {
namespace {

using chat::OutputEvent;
using chat::ToolFormat;
using grammar::GrammarBuilder;
using grammar::GrammarPtr;
using grammar::TestTrie;

Json Schema(std::string_view text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json);
  return *json;
}

std::vector<Callable> Tools() {
  return {
      {.name = "f", .parameters = Schema(R"({"type":"object","properties":{"x":{"type":"integer"},
             "s":{"enum":["a","b"]}},"required":["x"],"additionalProperties":false})")},
      {.name = "foo", .parameters = Schema(R"({"type":"object","maxProperties":2})")},
      {.name = "c",
       .input_syntax = GrammarBuilder::TextSyntax::kLark,
       .input_grammar = "start: \"a\" start \"b\" | \"\\n\\\"\"\n"}};
}

ToolFormat Bare() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kBareJson;
  format.before_name = R"({"name": ")";
  format.between = R"(", "parameters": )";
  format.after_arguments = "}";
  format.arguments_key = "parameters";
  format.triggers = {"<tool>"};
  return format;
}

ToolFormat List() {
  ToolFormat format = chat::HermesFormat();
  format.section_begin = "<tool [";
  format.call_begin = format.call_end = "";
  format.separator = ", ";
  format.section_end = "]";
  format.triggers = {"<tool", "</tool"};
  format.closers = {};
  return format;
}

ToolFormat Named() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kNamed;
  format.call_begin = "<tool_call>";
  format.between = ">=";
  format.triggers = {"<tool_call>"};
  return format;
}

ToolFormat Tagged() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kTagged;
  format.call_begin = "<tool_call>\n";
  format.before_name = "<function=";
  format.between = ">\n";
  format.notation.key_begin = "<parameter=";
  format.notation.key_end = format.notation.other_key_end = ">\n";
  format.notation.value_end = "\n</parameter>";
  format.notation.separator = "\n";
  format.after_arguments = "\n</function>";
  format.call_end = "\n</tool_call>";
  format.separator = "\n";
  format.triggers = {"<tool_call>", "<function="};
  format.closers = {"</tool_call>"};
  return format;
}

// Names and texts stand bare behind the marker, and a text says that it is one.
ToolFormat TypedTags() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kTagged;
  format.section_begin = "<calls>";
  format.before_name = "<call name=\"";
  format.between = "\">";
  format.notation.key_begin = "<arg name=\"";
  format.notation.key_end = "\" text>";
  format.notation.other_key_end = "\" json>";
  format.notation.value_end = "</arg>";
  format.after_arguments = "</call>";
  format.section_end = "</calls>";
  format.triggers = {"<calls>"};
  format.closers = {"</calls>"};
  return format;
}

// The tag around the name is the only marker.
ToolFormat NameTags() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kTagged;
  format.before_name = "<call name=\"";
  format.between = "\">";
  format.notation.key_begin = "<arg name=\"";
  format.notation.key_end = format.notation.other_key_end = "\">";
  format.notation.value_end = "</arg>";
  format.after_arguments = "</call>";
  format.separator = "\n";
  format.triggers = {"<call name=\""};
  return format;
}

ToolFormat BareKeys() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kLiteral;
  format.call_begin = "<|call>";
  format.before_name = "call:";
  format.notation = {.open = "{",
                     .key_end = ":",
                     .other_key_end = ":",
                     .text_begin = "<|'|>",
                     .text_end = "<|'|>",
                     .separator = ",",
                     .close = "}",
                     .inside = chat::ArgumentNotation::Inside::kSame};
  format.call_end = "<call|>";
  format.triggers = {"<|call>"};
  format.closers = {"<call|>"};
  return format;
}

ToolFormat Python() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kLiteral;
  format.section_begin = "<|calls|>[";
  format.notation = {.open = "(",
                     .key_end = "=",
                     .other_key_end = "=",
                     .text_begin = "'",
                     .text_end = "'",
                     .separator = ", ",
                     .close = ")",
                     .true_word = "True",
                     .false_word = "False",
                     .null_word = "None"};
  format.separator = ", ";
  format.section_end = "]<|end|>";
  format.triggers = {"<|calls|>"};
  format.closers = {"<|end|>"};
  return format;
}

std::vector<ToolFormat> Formats() {
  return {chat::HermesFormat(), Bare(),     List(),     Named(),  Tagged(),
          TypedTags(),          NameTags(), BareKeys(), Python(), chat::HarmonyFormat()};
}

// How the server reads what the grammar makes.
chat::OutputParserOptions Reading(const ToolFormat& format) {
  chat::OutputParserOptions options;
  options.tools = format;
  options.is_harmony = format.kind == ToolFormat::Kind::kHarmony;
  options.bare_openings.emplace();
  std::vector<chat::ToolSpec> specs;
  for (const Callable& tool : Tools()) {
    options.tool_names.push_back(tool.name);
    specs.push_back(
        {.name = tool.name, .description = {}, .parameters = tool.parameters, .strict = false});
    if (!format.is_object()) continue;
    for (chat::BareOpening& opening : chat::BareOpenings(format, tool.name))
      options.bare_openings->push_back(std::move(opening.text));
  }
  // A custom tool is a function with one text to a template.
  specs.back().parameters = Schema(R"({"properties":{"input":{"type":"string"}}})");
  options.types = chat::ArgumentTypes(specs);
  return options;
}

bool IsValidCall(const std::string& name, const std::string& arguments) {
  for (const Callable& tool : Tools()) {
    if (tool.name != name) continue;
    GrammarBuilder b;
    const auto part =
        tool.input_syntax
            ? b.TextObject({.syntax = *tool.input_syntax, .definition = tool.input_grammar})
            : b.JsonSchema(tool.parameters);
    const auto grammar = b.Build(*part);
    auto matcher = grammar::NewMatcher(*grammar, TestTrie());
    for (const uint32_t token : grammar::ByteTokens(arguments))
      if (!matcher->Accept(token)) return false;
    return matcher->IsComplete();
  }
  return false;
}

// A text of the grammar: tokens drawn at random, pushed towards calls as models write them.
std::string Answer(const GrammarPtr& grammar, const ToolFormat& format, std::mt19937_64& random) {
  std::vector<std::string> baits{R"({"name": "f", "parameters": {"x": "1"}})",
                                 R"({"name":"foo","arguments":[1]})",
                                 "```json\n{\"type\": \"function\", \"name\": \"f\", \"",
                                 R"([{"name": "c", "arguments": {"input": 5}}])",
                                 R"({"name" : "f", "arguments": 1})",
                                 R"({"type": "function", "function": {"name": "f", "x")",
                                 "\n",
                                 "<tools>{\"a"};
  for (const std::string& trigger : format.triggers) baits.push_back("\n" + trigger);
  auto matcher = grammar::NewMatcher(grammar, TestTrie());
  std::string text;
  for (int round = 0; round < 40; ++round) {
    const std::string& bait = baits[random() % baits.size()];
    for (const uint32_t token : grammar::ByteTokens(bait)) {
      if (!matcher->Accept(token)) break;
      text += TestTrie()->Bytes(token);
    }
    for (int i = static_cast<int>(random() % 12); i > 0; --i) {
      const auto mask = matcher->Mask();
      std::vector<uint32_t> allowed;
      for (uint32_t t = 0; t < mask->vocab_size; ++t)
        if (mask->Allows(t) && !TestTrie()->IsEnd(t)) allowed.push_back(t);
      if (allowed.empty()) return text;
      const uint32_t token = allowed[random() % allowed.size()];
      EXPECT_TRUE(matcher->Accept(token));
      text += TestTrie()->Bytes(token);
    }
  }
  const auto rest = matcher->FinishText();
  EXPECT_TRUE(rest);
  return text + rest.value_or("");
}

TEST(CallGrammar, EveryCallThatIsReadFromFreeTextIsAValidOne) {
  std::mt19937_64 random(11);
  for (const ToolFormat& format : Formats()) {
    GrammarBuilder b;
    CallGrammar calls(b, format);
    const auto part = calls.TextAndCalls(Tools(), 16);
    ASSERT_TRUE(part);
    const auto grammar = b.Build(*part);
    ASSERT_TRUE(grammar) << grammar.error().message;
    size_t read = 0;
    for (int i = 0; i < 60; ++i) {
      const std::string text = Answer(*grammar, format, random);
      const chat::ParsedOutput out = chat::ParseOutput(Reading(format), text);
      for (const auto& call : out.calls)
        EXPECT_TRUE(call.complete && IsValidCall(call.name, call.arguments))
            << call.name << ' ' << call.arguments << "\nin " << text;
      read += out.calls.size();
    }
    EXPECT_GT(read, 20u) << static_cast<int>(format.kind);
  }
}

TEST(CallGrammar, RequiredCallsAreReadBackWhole) {
  std::mt19937_64 random(12);
  for (const ToolFormat& format : Formats()) {
    for (const uint32_t calls_max : {1u, 3u}) {
      GrammarBuilder b;
      CallGrammar calls(b, format);
      const auto part = calls.Answer(Tools(), calls_max);
      ASSERT_TRUE(part);
      const auto grammar = b.Build(*part);
      ASSERT_TRUE(grammar) << grammar.error().message;
      for (int i = 0; i < 20; ++i) {
        const auto text = grammar::RandomText(*grammar, TestTrie(), random, 60);
        ASSERT_TRUE(text);
        const chat::ParsedOutput out = chat::ParseOutput(Reading(format), *text);
        EXPECT_EQ(out.content, "") << *text;
        EXPECT_TRUE(out.calls.size() >= 1 && out.calls.size() <= calls_max) << *text;
        for (const auto& call : out.calls)
          EXPECT_TRUE(call.complete && IsValidCall(call.name, call.arguments)) << *text;
      }
    }
  }
}

// Whether the grammar takes all of the text; '#' stands for the special token.
bool IsAnswer(const GrammarPtr& grammar, std::string_view text) {
  uint32_t special = 0;
  while (!TestTrie()->IsSpecial(special)) ++special;
  auto matcher = grammar::NewMatcher(grammar, TestTrie());
  for (const char byte : text) {
    const uint32_t token = byte == '#' ? special : static_cast<uint8_t>(byte);
    if (!matcher->Accept(token)) return false;
  }
  return matcher->IsComplete();
}

TEST(CallGrammar, HarmonyPutsContentAndCallsInMessagesOfTheirOwn) {
  const ToolFormat format = chat::HarmonyFormat();
  chat::OutputParserOptions reading = Reading(format);
  reading.reasoning = chat::ReasoningMode::kOptional;
  reading.tags = chat::HarmonyReasoning();
  const std::string thought = "<|channel|>analysis<|message|>a {b} <|end|><|start|>assistant";
  const std::string call = " to=functions.f<|channel|>commentary json<|message|>{\"x\": 1}";
  const std::string other_call =
      "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"x\": 1}";
  const auto made = [&](auto part_of) {
    GrammarBuilder b;
    CallGrammar calls(b, format);
    return *b.Build(*calls.AfterReasoning(reading, part_of(b, calls)));
  };
  const GrammarPtr object =
      made([](auto& b, auto& calls) { return calls.Content(b.JsonObject()); });
  EXPECT_TRUE(IsAnswer(object, "<|channel|>final<|message|>{\"a\":1}"));
  EXPECT_TRUE(IsAnswer(object, thought + "<|channel|>final <|constrain|>json<|message|>{}"));
  EXPECT_FALSE(IsAnswer(object, "{\"a\":1}"));
  EXPECT_FALSE(IsAnswer(object, thought + call));
  const GrammarPtr required = made([](auto&, auto& calls) { return *calls.Answer(Tools(), 3); });
  EXPECT_TRUE(IsAnswer(required, call));
  EXPECT_TRUE(IsAnswer(required, thought + other_call));
  EXPECT_FALSE(IsAnswer(required, "<|channel|>final<|message|>no"));
  EXPECT_FALSE(
      IsAnswer(required, " to=functions.f<|channel|>commentary json<|message|>{\"x\": \"1\"}"));
  const GrammarPtr either =
      made([](auto&, auto& calls) { return *calls.TextAndCalls(Tools(), 3); });
  EXPECT_TRUE(IsAnswer(either, thought + "<|channel|>final<|message|>Yes < no"));
  EXPECT_TRUE(
      IsAnswer(either, "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant" + call));
  EXPECT_FALSE(IsAnswer(either, "<|channel|>final<|message|>Yes" + std::string("<|end|>")));
  const GrammarPtr none =
      made([](auto&, auto& calls) { return calls.TextWithoutCalls({"f", "foo", "c"}); });
  EXPECT_TRUE(IsAnswer(none, thought + "<|channel|>final<|message|>Yes"));
  EXPECT_FALSE(IsAnswer(none, thought + call));
}

TEST(CallGrammar, HarmonysMarksAreTokensWhereTheVocabularyHasThem) {
  uint32_t special = 0;
  while (!TestTrie()->IsSpecial(special)) ++special;
  const std::vector<MarkerToken> markers{{"<|end|>", special}};
  const ToolFormat format = chat::HarmonyFormat();
  chat::OutputParserOptions reading = Reading(format);
  reading.reasoning = chat::ReasoningMode::kOptional;
  GrammarBuilder b;
  CallGrammar calls(b, format, markers);
  const auto grammar = b.Build(*calls.AfterReasoning(reading, *calls.TextAndCalls(Tools(), 1)));
  ASSERT_TRUE(grammar);
  const std::string final = "<|start|>assistant<|channel|>final<|message|>b";
  EXPECT_TRUE(IsAnswer(*grammar, "<|channel|>analysis<|message|>a#" + final));
  EXPECT_FALSE(IsAnswer(*grammar, "<|channel|>analysis<|message|>a<|end|>" + final));
}

// A model that repeats itself writes as many calls as it may, and every one costs the same.
TEST(CallGrammar, AsManyCallsAsAreAllowedAreOneReading) {
  const ToolFormat format = chat::HermesFormat();
  GrammarBuilder b;
  CallGrammar calls(b, format);
  const auto part = calls.TextAndCalls(Tools(), 16);
  ASSERT_TRUE(part);
  const auto grammar = b.Build(*part);
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (const std::string_view call :
       {"<tool_call>\n{\"name\": \"foo\", \"arguments\": {\"a\": \"b\"}}\n</tool_call>\n",
        "<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":1}}</tool_call>"}) {
    auto matcher = grammar::NewMatcher(*grammar, TestTrie());
    for (int i = 0; i < 16; ++i) {
      for (const uint32_t token : grammar::ByteTokens(call)) {
        const auto taken = matcher->Accept(token);
        ASSERT_TRUE(taken) << taken.error().message << " in call " << i;
      }
    }
    EXPECT_TRUE(matcher->IsComplete());
  }
}

// A model whose markers are control tokens begins and ends calls with the tokens; the characters in
// ordinary tokens are read as well.
TEST(CallGrammar, MarkersThatAreControlTokensAreTakenAsSuch) {
  const auto trie = TestTrie();
  uint32_t special = 0;
  while (!trie->IsSpecial(special)) ++special;
  const std::vector<MarkerToken> markers{{"[CALLS]", special}};
  ToolFormat section = chat::HermesFormat();
  section.section_begin = "[CALLS] [";
  section.call_begin = section.call_end = "";
  section.separator = ", ";
  section.section_end = "]";
  section.triggers = {"[CALLS]"};
  section.closers = {};
  ToolFormat bare = Bare();
  bare.triggers = {"[CALLS]"};
  ToolFormat named = Named();
  named.call_begin = "[CALLS]";
  named.between = "[CALLS]";  // behind the name too, as Mistral's [ARGS]
  named.triggers = {"[CALLS]"};
  const std::string arguments = R"({"x": 1})";
  const std::string object = R"({"name": "f", "arguments": )" + arguments + "}";
  const std::string parameters = R"({"name": "f", "parameters": )" + arguments + "}";
  struct Case {
    ToolFormat format;
    std::string text;  // a # stands for the token
    bool required;     // also the text of an answer that must call
  };
  for (const Case& c :
       {Case{section, "# [" + object + "]", true}, Case{section, "hm #[" + object + "]", false},
        Case{section, "[CALLS] [" + object + "]", false}, Case{bare, "#" + parameters, false},
        Case{named, "#f#" + arguments, true}, Case{named, "so\n#f#" + arguments, false}}) {
    for (const bool required : {false, true}) {
      GrammarBuilder b;
      CallGrammar calls(b, c.format, markers);
      const auto part = required ? calls.Answer(Tools(), 3) : calls.TextAndCalls(Tools(), 3);
      ASSERT_TRUE(part);
      const auto grammar = b.Build(*part);
      ASSERT_TRUE(grammar) << grammar.error().message;
      auto matcher = grammar::NewMatcher(*grammar, trie);
      std::string shown;
      bool taken = true;
      for (const char byte : c.text) {
        const uint32_t token = byte == '#' ? special : static_cast<uint8_t>(byte);
        const auto mask = matcher->Mask();
        ASSERT_TRUE(mask);
        taken = taken && mask->Allows(token) && matcher->Accept(token).has_value();
        shown += byte == '#' ? "[CALLS]" : std::string(1, byte);
      }
      if (required && !c.required) continue;
      EXPECT_TRUE(taken && matcher->IsComplete()) << c.text << " required " << required;
      const chat::ParsedOutput out = chat::ParseOutput(Reading(c.format), shown);
      ASSERT_EQ(out.calls.size(), 1u) << shown;
      EXPECT_EQ(out.calls[0].name, "f");
      EXPECT_EQ(out.calls[0].arguments, arguments);
    }
  }
  // Without a call the token cannot come.
  GrammarBuilder b;
  CallGrammar calls(b, section, markers);
  const auto none = b.Build(calls.TextWithoutCalls({"f"}));
  ASSERT_TRUE(none);
  EXPECT_FALSE(grammar::NewMatcher(*none, trie)->Allows(special));
}

TEST(CallGrammar, NoneForbidsWhatWouldBeReadAsACall) {
  std::mt19937_64 random(13);
  for (const ToolFormat& format : Formats()) {
    GrammarBuilder b;
    CallGrammar calls(b, format);
    const auto grammar = b.Build(calls.TextWithoutCalls({"f", "foo", "c"}));
    ASSERT_TRUE(grammar);
    for (int i = 0; i < 40; ++i)
      EXPECT_TRUE(
          chat::ParseOutput(Reading(format), Answer(*grammar, format, random)).calls.empty());
  }
}

}  // namespace
}  // namespace infe::answer
