#include "answer/constraint.h"

#include <atomic>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "answer/test_support.h"
#include "chat/tool_format.h"
#include "grammar/matcher.h"

namespace infe::answer {
namespace {

using Kind = AnswerError::Kind;
using Subject = AnswerError::Subject;

Json Parse(std::string_view text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json);
  return *json;
}

class ConstraintTest : public ::testing::Test {
 protected:
  Answered<Constraint> Compile(const ChatAsk& ask, const AnswerPolicy& policy = {}) {
    GrammarSource source(cache_, GrammarSource::Mode::kCompile);
    return CompileConstraint(source, model_, ask, Reading(ask), policy);
  }
  chat::OutputParserOptions Reading(const ChatAsk& ask) const {
    chat::OutputParserOptions reading;
    if (!ask.tools.empty()) reading.tools = model_.renderer->tool_format();
    return reading;
  }
  bool Takes(const Constraint& constraint, std::string_view text) const {
    const auto matcher = grammar::NewMatcher(constraint.grammar, model_.trie);
    for (const engine::TokenId token : Bytes(text))
      if (!matcher->Accept(token)) return false;
    return matcher->IsComplete();
  }
  static Tool Weather() {
    return {.name = "weather",
            .parameters = Parse(R"({"type":"object","properties":{"city":{"type":"string"}},
                                   "required":["city"],"additionalProperties":false})"),
            .origin = "tools[0]"};
  }

  const ModelText model_ = TestModelText();
  GrammarCache cache_{16, 16 << 20};
};

TEST_F(ConstraintTest, FreeTextHasNoGrammar) {
  const auto made = Compile({});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->grammar, nullptr);
}

TEST_F(ConstraintTest, ASchemaIsEnforced) {
  ChatAsk ask;
  ask.format = {.kind = Format::Kind::kJsonSchema, .schema = Parse(R"({"type":"integer"})")};
  const auto made = Compile(ask);
  ASSERT_TRUE(made);
  EXPECT_TRUE(Takes(*made, "17"));
  EXPECT_FALSE(Takes(*made, "\"a\""));
}

TEST_F(ConstraintTest, AFormatThatCannotBeHeldIsRefusedByItsOriginAndName) {
  ChatAsk ask;
  ask.format = {.kind = Format::Kind::kJsonSchema,
                .schema = Parse(R"({"type":17})"),
                .name = "bad",
                .origin = "shape.schema"};
  auto made = Compile(ask);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, Kind::kUnenforceable);
  EXPECT_EQ(made.error().subject, Subject::kSchema);
  EXPECT_EQ(made.error().name, "bad");
  EXPECT_EQ(made.error().origin, "shape.schema");
  ask.format = {.kind = Format::Kind::kRegex, .text = "(", .origin = "pattern"};
  made = Compile(ask);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().subject, Subject::kFormat);
  EXPECT_EQ(made.error().origin, "pattern");
}

TEST_F(ConstraintTest, AStrictSubsetIsAskedForByPolicyAlone) {
  ChatAsk ask;
  ask.format = {.kind = Format::Kind::kJsonSchema,
                .schema = Parse(R"({"type":"object","properties":{"a":{"type":"integer"}}})"),
                .strict = true,
                .origin = "shape"};
  EXPECT_TRUE(Compile(ask));
  const auto made = Compile(ask, {.strict_subset = true});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().subject, Subject::kSchema);
}

TEST_F(ConstraintTest, ARequiredCallIsACallInTheModelsOwnSpelling) {
  ChatAsk ask;
  ask.tools = {Weather(), {.name = "other"}};
  ask.tool_policy.mode = ToolPolicy::Mode::kRequired;
  const chat::ToolFormat& format = model_.renderer->tool_format();
  const auto call = [&](const std::string& name, const std::string& arguments) {
    return format.section_begin + format.call_begin + format.before_name + name + format.between +
           arguments + format.after_arguments + format.call_end + format.section_end;
  };
  auto made = Compile(ask);
  ASSERT_TRUE(made);
  EXPECT_TRUE(Takes(*made, call("weather", R"({"city": "Rome"})")));
  EXPECT_FALSE(Takes(*made, call("weather", R"({"city": 5})")));
  EXPECT_FALSE(Takes(*made, "no call"));
  EXPECT_TRUE(Takes(*made, call("other", "{}")));
  ask.tool_policy.allowed = {"weather"};
  made = Compile(ask);
  ASSERT_TRUE(made);
  EXPECT_FALSE(Takes(*made, call("other", "{}")));
}

TEST_F(ConstraintTest, AToolThatCannotBeEnforcedIsRefusedIfStrictAndNamedIfNot) {
  ChatAsk ask;
  Tool odd{.name = "odd",
           .parameters = Parse(R"({"type":"object","properties":{"x":{"type":"string",
                                  "format":"no-such-format"}}})"),
           .strict = true,
           .origin = "tools[1].schema"};
  ask.tools = {Weather(), odd};
  auto made = Compile(ask);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().subject, Subject::kFunction);
  EXPECT_EQ(made.error().name, "odd");
  EXPECT_EQ(made.error().origin, "tools[1].schema");
  ask.tools[1].strict = false;
  made = Compile(ask);
  ASSERT_TRUE(made);
  ASSERT_EQ(made->unenforced.size(), 1u);
  EXPECT_NE(made->unenforced[0].find("tools[1].schema"), std::string::npos) << made->unenforced[0];
}

TEST_F(ConstraintTest, AReferenceToNothingInOneToolIsNamedAndTheRestOfItHolds) {
  ChatAsk ask;
  Tool odd{.name = "odd",
           .parameters = Parse(R"({"type":"object","properties":{"x":{"$ref":"#/$defs/gone"},
                                  "n":{"type":"integer"}},"required":["x","n"]})"),
           .origin = "tools[1].schema"};
  ask.tools = {Weather(), odd};
  ask.tool_policy.mode = ToolPolicy::Mode::kRequired;
  const chat::ToolFormat& format = model_.renderer->tool_format();
  const auto call = [&](const std::string& name, const std::string& arguments) {
    return format.section_begin + format.call_begin + format.before_name + name + format.between +
           arguments + format.after_arguments + format.call_end + format.section_end;
  };
  const auto made = Compile(ask);
  ASSERT_TRUE(made);
  EXPECT_TRUE(Takes(*made, call("odd", R"({"x": [1], "n": 2})")));
  EXPECT_FALSE(Takes(*made, call("odd", R"({"x": [1], "n": "two"})")));
  EXPECT_FALSE(Takes(*made, call("weather", R"({"city": 5})")));
  ASSERT_EQ(made->unenforced.size(), 1u);
  EXPECT_NE(made->unenforced[0].find("$ref at tools[1].schema"), std::string::npos)
      << made->unenforced[0];
  ask.tools[1].strict = true;
  EXPECT_FALSE(Compile(ask));
}

// A call may begin anywhere in free text, in ten spellings of each of these names.
TEST_F(ConstraintTest, AsManyToolsAsCodingAgentsBringAreHeldBesideFreeText) {
  ChatAsk ask;
  for (int i = 0; i < 100; ++i) {
    Tool tool = Weather();
    tool.name = fmt::format("ask_the_service_number_{}_for_its_weather", i);
    ask.tools.push_back(tool);
  }
  const auto made = Compile(ask);
  ASSERT_TRUE(made) << made.error().error.message;
  EXPECT_TRUE(Takes(*made, "Nothing to ask of ask_the_service_number_7_for_its_weather."));
  const std::string call = R"({"name": "ask_the_service_number_77_for_its_weather", )";
  EXPECT_TRUE(Takes(*made, "Let me see. " + call + R"("arguments": {"city": "Oslo"}})"));
  EXPECT_FALSE(Takes(*made, "Let me see. " + call + R"("arguments": {"town": "Oslo"}})"));
}

TEST_F(ConstraintTest, ACustomToolsGrammarIsEnforcedOrRefused) {
  ChatAsk ask;
  ask.tools = {{.kind = Tool::Kind::kCustom,
                .name = "date",
                .input_syntax = Tool::InputSyntax::kLark,
                .input_grammar = "start: missing",
                .origin = "tools[0].grammar"}};
  const auto made = Compile(ask);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().subject, Subject::kLark);
  EXPECT_EQ(made.error().origin, "tools[0].grammar");
}

TEST_F(ConstraintTest, WhatIsNotKeptIsMissedAndFoundOnceItWasCompiled) {
  ChatAsk ask;
  ask.tools = {Weather()};
  GrammarSource kept(cache_, GrammarSource::Mode::kKeptOnly);
  (void)CompileConstraint(kept, model_, ask, Reading(ask), {});
  EXPECT_TRUE(kept.missed());
  ASSERT_TRUE(Compile(ask));
  GrammarSource again(cache_, GrammarSource::Mode::kKeptOnly);
  const auto made = CompileConstraint(again, model_, ask, Reading(ask), {});
  EXPECT_FALSE(again.missed());
  ASSERT_TRUE(made);
  EXPECT_NE(made->grammar, nullptr);
}

TEST_F(ConstraintTest, AnAskThatNobodyWaitsForIsNotBlamedOnItsSchema) {
  ChatAsk ask;
  ask.format = {.kind = Format::Kind::kJsonSchema, .schema = Parse(R"({"type":"integer"})")};
  const std::atomic<bool> cancelled{true};
  GrammarSource source(cache_, GrammarSource::Mode::kCompile, {.cancelled = &cancelled});
  const auto made = CompileConstraint(source, model_, ask, {}, {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, Kind::kInternal);
  EXPECT_TRUE(made.error().origin.empty());
}

}  // namespace
}  // namespace infe::answer
