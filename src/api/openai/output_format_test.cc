#include "api/openai/output_format.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

using Kind = OutputFormat::Kind;

OutputFormat Format(std::string_view members) {
  return MustParse(ChatBody(members)).format;
}

TEST(OutputFormat, ResponseFormatTypes) {
  EXPECT_EQ(Format(R"("response_format":{"type":"text"})").kind, Kind::kText);
  EXPECT_EQ(Format(R"("response_format":{"type":"json_object"})").kind, Kind::kJsonObject);
  const OutputFormat schema =
      Format(R"("response_format":{"type":"json_schema","json_schema":{"name":"n-1",)"
             R"("description":"d","strict":true,"schema":{"type":"object","maximum":1e999}}})");
  EXPECT_EQ(schema.kind, Kind::kJsonSchema);
  EXPECT_EQ(schema.param, "response_format");
  EXPECT_EQ(schema.name, "n-1");
  EXPECT_EQ(schema.description, "d");
  EXPECT_TRUE(schema.strict);
  EXPECT_EQ(schema.schema.Dump(), R"({"type":"object","maximum":1e999})");
}

TEST(OutputFormat, BadResponseFormatsAreNamed) {
  const auto refused = [](std::string_view text, std::string_view param, std::string_view code) {
    ExpectRefused(ChatBody(fmt::format("\"response_format\":{}", text)), param, code);
  };
  refused("[]", "response_format", "invalid_type");
  refused("{}", "response_format.type", "missing_required_parameter");
  refused(R"({"type":"xml"})", "response_format.type", "invalid_value");
  refused(R"({"type":7})", "response_format.type", "invalid_type");
  refused(R"({"type":"json_schema"})", "response_format.json_schema", "missing_required_parameter");
  refused(R"({"type":"json_schema","json_schema":{"schema":{}}})",
          "response_format.json_schema.name", "missing_required_parameter");
  refused(R"({"type":"json_schema","json_schema":{"name":"n"}})",
          "response_format.json_schema.schema", "missing_required_parameter");
  refused(R"({"type":"json_schema","json_schema":{"name":"n","schema":[]}})",
          "response_format.json_schema.schema", "invalid_type");
  refused(R"({"type":"json_schema","json_schema":{"name":"a b","schema":{}}})", "response_format",
          "-");
  refused(R"({"type":"json_schema","json_schema":{"name":"","schema":{}}})", "response_format",
          "-");
  refused(R"({"type":"json_schema","json_schema":{"name":")" + std::string(65, 'n') +
              R"(","schema":{}}})",
          "response_format", "-");
  // A schema that the type does not use would be a constraint without effect.
  refused(R"({"type":"text","schema":{}})", "response_format.schema",
          "invalid_parameter_combination");
  refused(R"({"type":"json_object","json_schema":{}})", "response_format.json_schema",
          "invalid_parameter_combination");
  refused(R"({"type":"text","json_schema":{}})", "response_format.json_schema",
          "invalid_parameter_combination");
}

TEST(OutputFormat, ASchemaAtTheTopLevelIsEnforcedAsOneInside) {
  const auto of = [](std::string_view text) {
    return Format(fmt::format("\"response_format\":{}", text));
  };
  const OutputFormat beside =
      of(R"({"type":"json_schema","name":"n","strict":true,"schema":{"type":"array"}})");
  EXPECT_EQ(beside.kind, Kind::kJsonSchema);
  EXPECT_EQ(beside.name, "n");
  EXPECT_TRUE(beside.strict);
  EXPECT_EQ(beside.schema.Dump(), R"({"type":"array"})");
  const OutputFormat object = of(R"({"type":"json_object","schema":{"type":"object"}})");
  EXPECT_EQ(object.kind, Kind::kJsonSchema);
  EXPECT_EQ(object.schema.Dump(), R"({"type":"object"})");
  const OutputFormat itself =
      of(R"({"type":"object","properties":{"type":{"const":"json_object"}}})");
  EXPECT_EQ(itself.kind, Kind::kJsonSchema);
  EXPECT_EQ(itself.schema.Dump(),
            R"({"type":"object","properties":{"type":{"const":"json_object"}}})");
  EXPECT_EQ(itself.param, "response_format");
  for (const OutputFormat& format : {beside, object, itself})
    EXPECT_EQ(format.param, "response_format");
  ExpectRefused(ChatBody(R"("response_format":{"type":"json_schema","schema":7})"),
                "response_format.schema", "invalid_type");
}

TEST(OutputFormat, SchemaSizeIsLimited) {
  const std::string body =
      ChatBody(R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":)"
               R"({"description":")" +
               std::string(1000, 'x') + "\"}}}");
  MustParse(body);
  ExpectRefused(body, "response_format", "-", {.schema_bytes_max = 1000});
}

TEST(OutputFormat, OtherEnginesSpellings) {
  EXPECT_EQ(Format(R"("grammar":"root ::= \"a\"")").kind, Kind::kGrammar);
  EXPECT_EQ(Format(R"("grammar":"root ::= \"a\"")").text, "root ::= \"a\"");
  EXPECT_EQ(Format(R"("json_schema":{"type":"string"})").kind, Kind::kJsonSchema);
  EXPECT_EQ(Format(R"("json_schema":"{\"type\":\"string\"}")").schema.Dump(),
            R"({"type":"string"})");
  EXPECT_EQ(Format(R"("structured_outputs":{"json":true})").kind, Kind::kJsonSchema);
  const OutputFormat json = Format(R"("structured_outputs":{"json":{"type":"object"}})");
  EXPECT_EQ(json.param, "structured_outputs.json");
  EXPECT_FALSE(json.strict);
  const OutputFormat regex = Format(R"("structured_outputs":{"regex":"a+"})");
  EXPECT_EQ(regex.kind, Kind::kRegex);
  EXPECT_EQ(regex.text, "a+");
  const OutputFormat choice = Format(R"("structured_outputs":{"choice":["a","b"]})");
  EXPECT_EQ(choice.kind, Kind::kChoice);
  EXPECT_EQ(choice.choices, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Format(R"("structured_outputs":{"grammar":"x"})").kind, Kind::kGrammar);
  EXPECT_EQ(Format(R"("structured_outputs":{"json_object":true})").kind, Kind::kJsonObject);
}

TEST(OutputFormat, BadStructuredOutputsAreNamed) {
  const auto refused = [](std::string_view text, std::string_view param, std::string_view code) {
    ExpectRefused(ChatBody(fmt::format("\"structured_outputs\":{}", text)), param, code);
  };
  refused("7", "structured_outputs", "invalid_type");
  refused("{}", "structured_outputs", "invalid_parameter_combination");
  refused(R"({"json":{},"regex":"a"})", "structured_outputs", "invalid_parameter_combination");
  refused(R"({"json":7})", "structured_outputs.json", "invalid_type");
  refused(R"({"json":"{"})", "structured_outputs.json", "invalid_value");
  refused(R"({"regex":""})", "structured_outputs.regex", "empty_string");
  refused(R"({"regex":7})", "structured_outputs.regex", "invalid_type");
  refused(R"({"choice":[]})", "structured_outputs.choice", "empty_array");
  refused(R"({"choice":["a",""]})", "structured_outputs.choice[1]", "empty_string");
  refused(R"({"choice":["a",7]})", "structured_outputs.choice[1]", "invalid_type");
  refused(R"({"choice":"a"})", "structured_outputs.choice", "invalid_type");
  refused(R"({"structural_tag":"x"})", "structured_outputs.structural_tag",
          "unsupported_parameter");
  refused(R"({"json":{},"whitespace_pattern":" "})", "structured_outputs.whitespace_pattern",
          "unsupported_parameter");
  refused(R"({"json":{},"disable_any_whitespace":true})",
          "structured_outputs.disable_any_whitespace", "unsupported_value");
}

TEST(OutputFormat, OnlyOneConstraintAtATime) {
  const std::string format = R"("response_format":{"type":"json_object"},)";
  ExpectRefused(ChatBody(format + R"("grammar":"x")"), "grammar", "invalid_parameter_combination");
  ExpectRefused(ChatBody(format + R"("json_schema":{})"), "json_schema",
                "invalid_parameter_combination");
  ExpectRefused(ChatBody(format + R"("structured_outputs":{"regex":"a"})"), "structured_outputs",
                "invalid_parameter_combination");
  ExpectRefused(ChatBody(R"("grammar":"x","json_schema":{})"), "json_schema",
                "invalid_parameter_combination");
}

TEST(OutputFormat, ConstraintsOfPeersAreNeverIgnored) {
  for (const char* name :
       {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_json_object",
        "guided_decoding_backend", "guided_whitespace_pattern", "structural_tag", "regex", "ebnf",
        "grammar_triggers", "allowed_token_ids", "bad_words"})
    ExpectRefused(ChatBody(fmt::format("\"{}\":\"x\"", name)), name, "unsupported_parameter");
}

TEST(DepthOf, CountsContainersAndSkipsExceptions) {
  const Json json = *ParseJson(R"({"a":[[]],"b":{"c":{"d":{}}}})");
  EXPECT_EQ(DepthOf(json, 100), 4u);
  EXPECT_EQ(DepthOf(json, 100, {json.find("b")}), 3u);
  EXPECT_EQ(DepthOf(Json(7), 100), 0u);
  EXPECT_EQ(DepthOf(Json::MakeArray(), 100), 1u);
  EXPECT_GT(DepthOf(json, 2), 2u);
}

}  // namespace
}  // namespace infe::api
