#include "api/openai/responses/tools.h"

#include <gtest/gtest.h>

#include "api/openai/responses/request.h"
#include "api/openai/test_bodies.h"

namespace infe::api::responses {
namespace {

using Mode = answer::ToolPolicy::Mode;

std::string Body(std::string_view tools, std::string_view choice = {}) {
  std::string body = R"({"model":"m","input":"x","tools":[)" + std::string(tools) + "]";
  if (!choice.empty()) body += ",\"tool_choice\":" + std::string(choice);
  return body + "}";
}

ToolUse Use(const std::string& body) {
  auto parsed = ParseRequest(body);
  if (parsed) return std::move(parsed->tool_use);
  ADD_FAILURE() << body << "\n" << WriteError(parsed.error());
  return {};
}

void Refused(const std::string& body, std::string_view param, std::string_view code,
             const ParseOptions& options = {}) {
  SCOPED_TRACE(body);
  const auto parsed = ParseRequest(body, options);
  ASSERT_FALSE(parsed);
  ExpectError(parsed.error(), 400, param, code);
}

constexpr const char* kTwo =
    R"({"type":"function","name":"f","description":"does f","parameters":{"type":"object"},
        "strict":true},
       {"type":"custom","name":"c","format":{"type":"grammar","syntax":"regex","definition":"a+"}})";

TEST(ResponsesTools, FunctionsAndCustomToolsAreTheAsks) {
  const ToolUse use = Use(Body(kTwo));
  ASSERT_EQ(use.tools.size(), 2u);
  EXPECT_EQ(use.tools[0].description, "does f");
  EXPECT_TRUE(use.tools[0].strict);
  EXPECT_EQ(use.tools[0].origin, "tools[0].parameters");
  EXPECT_EQ(use.tools[1].kind, answer::Tool::Kind::kCustom);
  EXPECT_EQ(use.tools[1].input_syntax, answer::Tool::InputSyntax::kRegex);
  EXPECT_EQ(use.tools[1].input_grammar, "a+");
  EXPECT_EQ(use.tools[1].origin, "tools[1].format.definition");
  EXPECT_EQ(use.policy.mode, Mode::kAuto);
  EXPECT_EQ(use.policy.calls_max, 0u);
}

TEST(ResponsesTools, AGroupIsFlattenedAndKnowsItsNames) {
  const ToolUse use = Use(Body(R"({"type":"namespace","name":"crm","description":"customers",
      "tools":[{"type":"function","name":"find"},{"type":"custom","name":"note"}]},
      {"type":"function","name":"find"})"));
  ASSERT_EQ(use.tools.size(), 3u);
  EXPECT_EQ(use.tools[0].name, "crm__find");
  EXPECT_EQ(use.tools[0].description, "customers");
  EXPECT_EQ(use.tools[1].name, "crm__note");
  EXPECT_EQ(use.tools[2].name, "find");
  ASSERT_NE(use.FindGrouped("crm__note"), nullptr);
  EXPECT_EQ(use.FindGrouped("crm__note")->group, "crm");
  EXPECT_EQ(use.FindGrouped("find"), nullptr);
  EXPECT_EQ(FlatName("mcp__files__", "read"), "mcp__files__read");
}

TEST(ResponsesTools, HostedToolsAreLeftOutAndNamed) {
  const std::string body = Body(
      R"({"type":"web_search"},{"type":"mcp","server_label":"x","server_url":"http://x"},
         {"type":"web_search"},{"type":"function","name":"f"})");
  const ToolUse use = Use(body);
  EXPECT_EQ(use.left_out, (std::vector<std::string>{"web_search", "mcp"}));
  EXPECT_EQ(use.tools.size(), 1u);
  EXPECT_EQ(use.tools_shown.array().size(), 4u);
  Refused(body, "tools[0].type", "unsupported_value", {.strict_params = true});
}

TEST(ResponsesTools, AChoiceIsOneOfTheToolsThere) {
  EXPECT_EQ(Use(Body(kTwo, R"("required")")).policy.mode, Mode::kRequired);
  EXPECT_EQ(Use(Body(kTwo, R"("none")")).policy.mode, Mode::kNone);
  const ToolUse named = Use(Body(kTwo, R"({"type":"function","name":"f"})"));
  EXPECT_EQ(named.policy.mode, Mode::kNamed);
  EXPECT_EQ(named.policy.allowed, (std::vector<std::string>{"f"}));
  EXPECT_EQ(Use(Body(kTwo, R"({"type":"custom","name":"c"})")).policy.allowed,
            (std::vector<std::string>{"c"}));
  const ToolUse allowed = Use(Body(kTwo, R"({"type":"allowed_tools","mode":"required",
      "tools":[{"type":"function","name":"f"},{"type":"web_search"}]})"));
  EXPECT_EQ(allowed.policy.mode, Mode::kRequired);
  EXPECT_EQ(allowed.policy.allowed, (std::vector<std::string>{"f"}));
  const char* group = R"({"type":"namespace","name":"g","description":"d",
      "tools":[{"type":"function","name":"f"}]})";
  for (const char* choice :
       {R"({"type":"function","name":"f"})", R"({"type":"function","name":"g__f"})",
        R"({"type":"function","namespace":"g","name":"f"})"})
    EXPECT_EQ(Use(Body(group, choice)).policy.allowed, (std::vector<std::string>{"g__f"}));
}

TEST(ResponsesTools, AChoiceThatCannotBeHeldIsRefused) {
  Refused(Body(kTwo, R"("any")"), "tool_choice", "invalid_value");
  Refused(Body(kTwo, "7"), "tool_choice", "invalid_type");
  Refused(Body(kTwo, R"({"type":"function","name":"g"})"), "tool_choice", "-");
  Refused(Body(kTwo, R"({"type":"custom","name":"f"})"), "tool_choice", "-");
  Refused(Body(kTwo, R"({"type":"web_search_preview"})"), "tool_choice.type", "unsupported_value");
  Refused(Body(kTwo, R"({"type":"mcp","server_label":"x"})"), "tool_choice.type",
          "unsupported_value");
  Refused(Body("", R"("required")"), "tool_choice", "-");
  Refused(Body(R"({"type":"shell"})", R"("required")"), "tool_choice", "-");
  Refused(Body(kTwo, R"({"type":"allowed_tools","mode":"auto","tools":[]})"), "tool_choice.tools",
          "empty_array");
  Refused(Body(kTwo, R"({"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp"}]})"),
          "tool_choice.tools", "unsupported_value");
}

TEST(ResponsesTools, ToolsThatCannotBeReadAreRefused) {
  Refused(Body(R"({"type":"function"})"), "tools[0].name", "missing_required_parameter");
  Refused(Body(R"({"type":"function","name":"a b"})"), "tools[0].name", "invalid_value");
  Refused(Body(R"({"type":"function","name":"f"},{"type":"custom","name":"f"})"), "tools[1]",
          "invalid_value");
  Refused(Body(R"({"type":"custom","name":"c","format":{"type":"grammar","syntax":"ebnf",
      "definition":"x"}})"),
          "tools[0].format.syntax", "invalid_value");
  Refused(Body(R"({"type":"namespace","name":"g"})"), "tools[0].tools",
          "missing_required_parameter");
  Refused(Body(R"({"type":"function","name":"f"},{"type":"function","name":"g"})"), "tools",
          "array_above_max_length", {.tools_max = 1});
}

TEST(ResponsesTools, OneCallAtATimeIsABound) {
  const auto parsed = ParseRequest(
      R"({"model":"m","input":"x","parallel_tool_calls":false,"tools":[{"type":"function","name":"f"}]})");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->tool_use.policy.calls_max, 1u);
  // Clients send both without any tools.
  EXPECT_TRUE(ParseRequest(
      R"({"model":"m","input":"x","tools":[],"tool_choice":"auto","parallel_tool_calls":true})"));
}

}  // namespace
}  // namespace infe::api::responses
