#include "api/openai/tool.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

constexpr const char* kTools =
    R"("tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,)"
    R"("parameters":{"type":"object","properties":{"z":{},"a":{}}}}},)"
    R"({"type":"function","function":{"name":"g"}},)"
    R"({"type":"custom","custom":{"name":"c","format":{"type":"grammar",)"
    R"("grammar":{"syntax":"lark","definition":"start: \"x\""}}}},)"
    R"({"type":"custom","custom":{"name":"free","format":{"type":"text"}}}])";

std::string With(std::string_view members) {
  return ChatBody(std::string(kTools) + "," + std::string(members));
}

TEST(Tool, FunctionsAndCustomToolsAreRead) {
  const ToolUse use = MustParse(ChatBody(kTools)).tool_use;
  ASSERT_EQ(use.tools.size(), 4u);
  EXPECT_EQ(use.tools[0].name, "f");
  EXPECT_EQ(use.tools[0].description, "d");
  EXPECT_TRUE(use.tools[0].strict);
  // Members keep the order in which they were written.
  EXPECT_EQ(use.tools[0].parameters.Dump(), R"({"type":"object","properties":{"z":{},"a":{}}})");
  EXPECT_EQ(use.tools[0].param, "tools[0].function.parameters");
  EXPECT_TRUE(use.tools[1].parameters.is_null());
  EXPECT_EQ(use.tools[1].source.Dump(), R"({"type":"function","function":{"name":"g"}})");
  EXPECT_EQ(use.tools[2].kind, Tool::Kind::kCustom);
  EXPECT_EQ(use.tools[2].input_syntax, Tool::InputSyntax::kLark);
  EXPECT_EQ(use.tools[2].input_grammar, "start: \"x\"");
  EXPECT_EQ(use.tools[3].input_syntax, Tool::InputSyntax::kText);
  EXPECT_EQ(use.choice.mode, ToolChoice::Mode::kAuto);
  EXPECT_FALSE(use.choice.restricted);
  EXPECT_TRUE(use.parallel_calls);
  EXPECT_FALSE(use.legacy_functions);
}

TEST(Tool, EmptyToolsAreNoTools) {
  EXPECT_TRUE(MustParse(ChatBody(R"("tools":[],"functions":[])")).tool_use.tools.empty());
}

TEST(Tool, WhatIsWrongIsNamedByPath) {
  const auto one = [](std::string_view tool) {
    return ChatBody(fmt::format("\"tools\":[{}]", tool));
  };
  ExpectRefused(one("7"), "tools[0]", "invalid_type");
  ExpectRefused(one("{}"), "tools[0].type", "missing_required_parameter");
  ExpectRefused(one(R"({"type":"web_search"})"), "tools[0].type", "invalid_value");
  ExpectRefused(one(R"({"type":"function"})"), "tools[0].function", "missing_required_parameter");
  ExpectRefused(one(R"({"type":"function","function":{}})"), "tools[0].function.name",
                "missing_required_parameter");
  ExpectRefused(one(R"({"type":"function","function":{"name":7}})"), "tools[0].function.name",
                "invalid_type");
  ExpectRefused(one(R"({"type":"function","function":{"name":"f","parameters":[]}})"),
                "tools[0].function.parameters", "invalid_type");
  ExpectRefused(one(R"({"type":"function","function":{"name":"f","strict":1}})"),
                "tools[0].function.strict", "invalid_type");
  ExpectRefused(one(R"({"type":"custom"})"), "tools[0].custom", "missing_required_parameter");
  ExpectRefused(one(R"({"type":"custom","custom":{"name":"a b"}})"), "tools[0].custom.name",
                "invalid_value");
  const auto format = [&](std::string_view text) {
    return one(fmt::format(R"({{"type":"custom","custom":{{"name":"c","format":{}}}}})", text));
  };
  ExpectRefused(format(R"({"type":"xml"})"), "tools[0].custom.format.type", "invalid_value");
  ExpectRefused(format(R"({"type":"grammar"})"), "tools[0].custom.format.grammar",
                "missing_required_parameter");
  ExpectRefused(format(R"({"type":"grammar","grammar":{"syntax":"ebnf","definition":"x"}})"),
                "tools[0].custom.format.grammar.syntax", "invalid_value");
  ExpectRefused(format(R"({"type":"grammar","grammar":{"syntax":"regex","definition":""}})"),
                "tools[0].custom.format.grammar.definition", "empty_string");
}

TEST(Tool, NamesAreShortAndPlain) {
  const auto named = [](const std::string& name) {
    return ChatBody(
        fmt::format(R"("tools":[{{"type":"function","function":{{"name":"{}"}}}}])", name));
  };
  MustParse(named(std::string(64, 'a')));
  MustParse(named("A-z_09"));
  for (const std::string& name : {std::string(65, 'a'), std::string(), std::string("a b"),
                                  std::string("a.b"), std::string("\xc3\xa9")})
    ExpectRefused(named(name), "tools[0].function.name", "invalid_value");
}

TEST(Tool, NamesAreUnique) {
  ExpectRefused(ChatBody(R"("tools":[{"type":"function","function":{"name":"f"}},)"
                         R"({"type":"function","function":{"name":"f"}}])"),
                "tools[1]", "invalid_value");
}

TEST(Tool, NumberAndSchemaSizeAreLimited) {
  const auto of = [](int count) {
    std::string items;
    for (int i = 0; i < count; ++i)
      items += fmt::format(R"({}{{"type":"function","function":{{"name":"f{}"}}}})",
                           i > 0 ? "," : "", i);
    return ChatBody("\"tools\":[" + items + "]");
  };
  EXPECT_EQ(MustParse(of(128)).tool_use.tools.size(), 128u);
  ExpectRefused(of(129), "tools", "array_above_max_length");
  const std::string body =
      ChatBody(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"x":")" +
               std::string(100, 'y') + "\"}}}]");
  MustParse(body);
  ExpectRefused(body, "tools[0].function.parameters", "invalid_function_parameters",
                {.schema_bytes_max = 100});
}

TEST(ToolChoice, ModesAndNames) {
  const auto choice = [](std::string_view text) {
    return MustParse(With(fmt::format("\"tool_choice\":{}", text))).tool_use.choice;
  };
  EXPECT_EQ(choice("\"none\"").mode, ToolChoice::Mode::kNone);
  EXPECT_EQ(choice("\"auto\"").mode, ToolChoice::Mode::kAuto);
  EXPECT_EQ(choice("\"required\"").mode, ToolChoice::Mode::kRequired);
  const ToolChoice named = choice(R"({"type":"function","function":{"name":"g"}})");
  EXPECT_EQ(named.mode, ToolChoice::Mode::kNamed);
  EXPECT_EQ(named.names, std::vector<std::string>{"g"});
  EXPECT_EQ(choice(R"({"type":"custom","custom":{"name":"c"}})").names,
            std::vector<std::string>{"c"});
  const ToolChoice allowed = choice(
      R"({"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[)"
      R"({"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}]}})");
  EXPECT_EQ(allowed.mode, ToolChoice::Mode::kRequired);
  EXPECT_TRUE(allowed.restricted);
  EXPECT_EQ(allowed.names, (std::vector<std::string>{"f", "c"}));
  EXPECT_FALSE(MustParse(With(R"("parallel_tool_calls":false)")).tool_use.parallel_calls);
}

TEST(ToolChoice, UnknownNamesAndFormsAreRefused) {
  const auto refused = [](std::string_view text, std::string_view param, std::string_view code) {
    ExpectRefused(With(fmt::format("\"tool_choice\":{}", text)), param, code);
  };
  refused("\"any\"", "tool_choice", "invalid_value");
  refused("7", "tool_choice", "invalid_type");
  refused("{}", "tool_choice.type", "missing_required_parameter");
  refused(R"({"type":"tool"})", "tool_choice.type", "invalid_value");
  refused(R"({"type":"function"})", "tool_choice.function", "missing_required_parameter");
  refused(R"({"type":"function","function":{"name":"nope"}})", "tool_choice", "-");
  refused(R"({"type":"function","function":{"name":"c"}})", "tool_choice", "-");
  refused(R"({"type":"allowed_tools","allowed_tools":{"mode":"none","tools":[]}})",
          "tool_choice.allowed_tools.mode", "invalid_value");
  refused(R"({"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}})",
          "tool_choice.allowed_tools.tools", "empty_array");
  refused(R"({"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[)"
          R"({"type":"function","function":{"name":"nope"}}]}})",
          "tool_choice", "-");
}

TEST(Tool, AnEmptyListMayChooseAndRunInParallel) {
  for (const char* members :
       {R"("tools":[],"tool_choice":"auto")", R"("tools":[],"tool_choice":"none")",
        R"("tools":[],"parallel_tool_calls":true)"})
    EXPECT_TRUE(MustParse(ChatBody(members)).tool_use.tools.empty()) << members;
  ExpectRefused(ChatBody(R"("tools":[],"tool_choice":"required")"), "tool_choice", "-");
}

TEST(LegacyFunctions, BecomeToolsWithOneCall) {
  const ToolUse use = MustParse(ChatBody(R"("functions":[{"name":"f","parameters":{}}],)"
                                         R"("function_call":{"name":"f"})"))
                          .tool_use;
  EXPECT_TRUE(use.legacy_functions);
  EXPECT_FALSE(use.parallel_calls);
  EXPECT_EQ(use.choice.mode, ToolChoice::Mode::kNamed);
  EXPECT_EQ(use.tools[0].source.Dump(),
            R"({"type":"function","function":{"name":"f","parameters":{}}})");
  EXPECT_EQ(use.tools[0].param, "functions[0].parameters");
  const std::string functions = R"("functions":[{"name":"f"}],)";
  EXPECT_EQ(MustParse(ChatBody(functions + R"("function_call":"none")")).tool_use.choice.mode,
            ToolChoice::Mode::kNone);
  ExpectRefused(ChatBody(functions + R"("function_call":"required")"), "function_call",
                "invalid_value");
  ExpectRefused(ChatBody(functions + R"("function_call":{"name":"g"})"), "function_call", "-");
  ExpectRefused(ChatBody(functions + R"("tool_choice":"auto")"), "tool_choice", "-");
  ExpectRefused(ChatBody(functions + R"("parallel_tool_calls":true)"), "parallel_tool_calls", "-");
  ExpectRefused(ChatBody(functions + kTools), "functions", "invalid_parameter_combination");
  ExpectRefused(ChatBody(R"("functions":[{}])"), "functions[0].name", "missing_required_parameter");
}

}  // namespace
}  // namespace infe::api
