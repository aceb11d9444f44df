#include "api/openai/responses/request.h"

#include <gtest/gtest.h>

#include "api/openai/responses/ask.h"
#include "api/openai/responses/encrypted_reasoning.h"
#include "api/openai/responses/kept.h"
#include "api/openai/test_bodies.h"

namespace infe::api::responses {
namespace {

std::string Body(std::string_view members) {
  return R"({"model":"m",)" + std::string(members) + "}";
}
std::string WithInput(std::string_view items) {
  return Body("\"input\":[" + std::string(items) + "]");
}

Request Parsed(const std::string& body, const ParseOptions& options = {}) {
  auto parsed = ParseRequest(body, options);
  if (parsed) return *std::move(parsed);
  ADD_FAILURE() << body << "\n" << WriteError(parsed.error());
  return {};
}

answer::ChatAsk Asked(const std::string& body, const ParseOptions& options = {}) {
  auto ask = ToAsk(Parsed(body, options), {}, options);
  if (ask) return *std::move(ask);
  ADD_FAILURE() << body << "\n" << WriteError(ask.error());
  return {};
}

void Refused(const std::string& body, std::string_view param, std::string_view code,
             const ParseOptions& options = {}) {
  SCOPED_TRACE(body.substr(0, 300));
  const auto parsed = ParseRequest(body, options);
  if (!parsed) return ExpectError(parsed.error(), 400, param, code);
  const auto ask = ToAsk(*parsed, {}, options);
  ASSERT_FALSE(ask.has_value());
  ExpectError(ask.error(), 400, param, code);
}

// One word per message: "u:text", "a~reasoning:text(name arguments)", "t#id:text".
std::string Words(const std::vector<chat::Message>& messages) {
  std::string out;
  for (const chat::Message& message : messages) {
    if (!out.empty()) out += ' ';
    out += chat::Name(message.role)[0];
    if (!message.reasoning_content.empty()) out += '~' + message.reasoning_content;
    if (!message.tool_call_id.empty()) out += '#' + message.tool_call_id;
    out += ':' + message.content;
    for (const chat::ToolCall& call : message.tool_calls)
      out += '(' + call.id + ' ' + call.name + ' ' + call.arguments + ')';
  }
  return out;
}

TEST(ResponsesRequest, ATextIsOneTurnAndInstructionsComeFirst) {
  EXPECT_EQ(Words(Asked(Body(R"("input":"hi")")).messages), "u:hi");
  EXPECT_EQ(Words(Asked(Body(R"("input":"hi","instructions":"be brief")")).messages),
            "s:be brief u:hi");
  EXPECT_EQ(Words(Asked(Body(R"("instructions":"be brief")")).messages), "s:be brief");
}

TEST(ResponsesRequest, MessagesOfAllRolesAreTurns) {
  EXPECT_EQ(Words(Asked(WithInput(R"(
      {"role":"developer","content":"rules"},
      {"type":"message","role":"user","content":[{"type":"input_text","text":"a"},
                                                 {"type":"input_text","text":"b"}]},
      {"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[
         {"type":"output_text","text":"c","annotations":[],"logprobs":[]}]},
      {"role":"system","content":"late"},
      {"role":"assistant","content":[{"type":"refusal","refusal":"no"}],"phase":"final_answer"},
      {"role":"user","content":"d"})"))
                      .messages),
            "s:rules u:a\nb a:c s:late a:no u:d");
}

TEST(ResponsesRequest, WhatTheAssistantDidInOneTurnIsOneMessage) {
  EXPECT_EQ(Words(Asked(WithInput(R"(
      {"role":"user","content":"q"},
      {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},
      {"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"see"}]},
      {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
      {"type":"custom_tool_call","call_id":"c2","name":"g","input":"say \"x\""},
      {"type":"function_call_output","call_id":"c1","output":"one"},
      {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]},
      {"type":"function_call","call_id":"c3","name":"f","arguments":"{}"},
      {"type":"function_call_output","call_id":"c3","output":""})"))
                      .messages),
            "u:q a~hm:see(c1 f {\"a\":1})(c2 g {\"input\":\"say \\\"x\\\"\"}) t#c1:one t#c2:two "
            "a:(c3 f {}) t#c3:");
}

TEST(ResponsesRequest, CallsAndOutputsBelongTogether) {
  Refused(WithInput(R"({"type":"function_call_output","call_id":"x","output":"1"})"),
          "input[0].call_id", "invalid_value");
  const std::string open =
      WithInput(R"({"type":"function_call","call_id":"x","name":"f","arguments":"{}"})");
  Refused(open, "input", "invalid_value");
  EXPECT_EQ(Words(Asked(open, {.allow_unanswered_calls = true}).messages), "a:(x f {})");
}

TEST(ResponsesRequest, ReasoningComesBackSealedOrAsASummary) {
  const std::string sealed = SealReasoning("deep thought, \xc3\xa9");
  EXPECT_EQ(OpenReasoning(sealed), "deep thought, \xc3\xa9");
  for (size_t length = 0; length < 8; ++length)
    EXPECT_EQ(OpenReasoning(SealReasoning(std::string(length, 'x'))), std::string(length, 'x'));
  EXPECT_FALSE(OpenReasoning("gAAAAAB"));
  EXPECT_FALSE(OpenReasoning("infe1.!"));
  EXPECT_EQ(Words(Asked(WithInput(R"({"type":"reasoning","id":"r","summary":[],
      "encrypted_content":")" + sealed +
                                  R"("},{"role":"assistant","content":"x"})"))
                      .messages),
            "a~deep thought, \xc3\xa9:x");
  EXPECT_EQ(Words(Asked(WithInput(R"({"type":"reasoning","id":"r","summary":[
      {"type":"summary_text","text":"short"}]},{"role":"assistant","content":"x"})"))
                      .messages),
            "a~short:x");
  const Request foreign = Parsed(WithInput(
      R"({"type":"reasoning","id":"r","summary":[],"encrypted_content":"gAAA"},
         {"role":"assistant","content":"x"})"));
  EXPECT_EQ(foreign.ignored.Header(), "input[].encrypted_content");
  // What led to nothing is no turn.
  EXPECT_EQ(Words(Asked(WithInput(R"({"type":"reasoning","id":"r","summary":[
      {"type":"summary_text","text":"lost"}]},{"role":"user","content":"x"})"))
                      .messages),
            "u:x");
}

TEST(ResponsesRequest, ItemsOfToolsThatInfeDoesNotRunAreNamed) {
  const std::string body = WithInput(
      R"({"type":"web_search_call","id":"ws_1","status":"completed","action":{}},
         {"role":"user","content":"x"})");
  const Request request = Parsed(body);
  EXPECT_EQ(request.ignored.Header(), "input[].web_search_call");
  EXPECT_EQ(Words(Asked(body).messages), "u:x");
  Refused(body, "input[0].web_search_call", "unknown_parameter", {.strict_params = true});
}

TEST(ResponsesRequest, InputThatCannotBeReadIsRefusedByItsPath) {
  Refused(R"({"input":"x"})", "model", "missing_required_parameter");
  Refused(R"({"model":"m"})", "input", "missing_required_parameter");
  Refused(Body(R"("input":7)"), "input", "invalid_type");
  Refused(WithInput(""), "input", "empty_array");
  Refused(WithInput("7"), "input[0]", "invalid_type");
  Refused(WithInput("{}"), "input[0].id", "missing_required_parameter");
  Refused(WithInput(R"({"role":"tool","content":"x"})"), "input[0].role", "invalid_value");
  Refused(WithInput(R"({"role":"user"})"), "input[0].content", "missing_required_parameter");
  Refused(WithInput(R"({"role":"user","content":[{"type":"input_image","image_url":"x"}]})"),
          "input[0].content[0].type", "unsupported_value");
  Refused(WithInput(R"({"role":"user","content":[{"type":"video","text":"x"}]})"),
          "input[0].content[0].type", "invalid_value");
  Refused(WithInput(R"({"type":"function_call","name":"f","arguments":"{}"})"), "input[0].call_id",
          "missing_required_parameter");
}

TEST(ResponsesRequest, AnImageIsRefusedOrBecomesItsPlaceholder) {
  const std::string body = WithInput(
      R"({"role":"user","content":[{"type":"input_text","text":"see"},)"
      R"({"type":"input_image","image_url":"data:image/png;base64,AA","detail":"auto"}]},)"
      R"({"type":"function_call","call_id":"c","name":"f","arguments":"{}"},)"
      R"({"type":"function_call_output","call_id":"c","output":)"
      R"([{"type":"input_image","image_url":"x"}]})");
  Refused(body, "input[0].content[1].type", "unsupported_value");
  const Request request = Parsed(body, {.images = Images::kPlaceholder});
  EXPECT_EQ(request.input[0].text, std::string("see\n") + kImagePlaceholder);
  EXPECT_EQ(request.input[2].text, kImagePlaceholder);
  EXPECT_TRUE(request.ignored.empty()) << request.ignored.Header();
  // Kept, it is shown as it came and taken again.
  const std::string kept = WriteInputItems(request.input, "resp_a");
  EXPECT_NE(kept.find("data:image/png"), std::string::npos) << kept;
  const auto again = ReadItems(kept);
  ASSERT_TRUE(again) << kept;
  for (const size_t i : {0u, 2u}) EXPECT_EQ((*again)[i].text, request.input[i].text);
  const auto file =
      ParseRequest(WithInput(R"({"role":"user","content":[{"type":"input_file","file_id":"x"}]})"),
                   {.images = Images::kPlaceholder});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().param, "input[0].content[0].type");
}

TEST(ResponsesRequest, AnAssistantTurnWithoutContentIsEmpty) {
  for (const char* content : {R"(,"content":null)", "", R"(,"content":[])", R"(,"content":"")"}) {
    const Request request =
        Parsed(WithInput(R"({"role":"user","content":"x"},{"role":"assistant")" +
                         std::string(content) + R"(},{"role":"user","content":"y"})"));
    ASSERT_EQ(request.input.size(), 3u) << content;
    EXPECT_EQ(request.input[1].text, "") << content;
    const std::string kept = WriteInputItems(request.input, "resp_a");
    const auto again = ReadItems(kept);
    ASSERT_TRUE(again) << kept;
    EXPECT_EQ((*again)[1].text, "") << kept;
  }
  Refused(WithInput(R"({"role":"user","content":null})"), "input[0].content",
          "missing_required_parameter");
}

TEST(ResponsesRequest, SamplersOfOtherServersAreRefusedUnlessTheyAreOff) {
  Refused(Body(R"("input":"x","mirostat":2)"), "mirostat", "unsupported_value");
  Refused(Body(R"("input":"x","use_beam_search":true)"), "use_beam_search", "unsupported_value");
  EXPECT_TRUE(Parsed(Body(R"("input":"x","mirostat":0,"typical_p":1)")).ignored.empty());
}

TEST(ResponsesRequest, FieldsOfChatCompletionsAreRefusedWithTheirNameHere) {
  for (const char* field :
       {R"("messages":[])", R"("response_format":{"type":"text"})", R"("max_tokens":5)",
        R"("reasoning_effort":"low")", R"("n":1)", R"("structured_outputs":{"regex":"a"})"}) {
    const auto parsed = ParseRequest(Body(std::string(R"("input":"x",)") + field));
    ASSERT_FALSE(parsed) << field;
    EXPECT_EQ(parsed.error().code, "unsupported_parameter") << field;
  }
}

TEST(ResponsesRequest, FieldsBecomeTheAsk) {
  const answer::ChatAsk ask = Asked(Body(R"("input":"x","temperature":0.5,"top_p":0.25,"seed":9,
      "max_output_tokens":40,"include":["message.output_text.logprobs"],"top_logprobs":3,
      "truncation":"auto","service_tier":"flex","reasoning":{"effort":"none"},
      "text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object"}}})"));
  EXPECT_EQ(ask.sampling.temperature, 0.5);
  EXPECT_EQ(ask.sampling.seed, 9u);
  EXPECT_EQ(ask.tokens_max, 40);
  EXPECT_TRUE(ask.scores.tokens);
  EXPECT_EQ(ask.scores.top, 3u);
  EXPECT_EQ(ask.truncation, answer::Truncation::kDropOldest);
  EXPECT_EQ(ask.caller.priority, answer::Priority::kFlex);
  EXPECT_EQ(ask.thinking.on, false);
  EXPECT_EQ(ask.format.kind, answer::Format::Kind::kJsonSchema);
  EXPECT_TRUE(ask.format.strict);
  EXPECT_EQ(ask.format.origin, "text.format.schema");
  EXPECT_EQ(ask.messages_origin, "input");
}

TEST(ResponsesRequest, ValuesOutOfRangeAreRefused) {
  Refused(Body(R"("input":"x","max_output_tokens":0)"), "max_output_tokens",
          "integer_below_min_value");
  Refused(Body(R"("input":"x","top_logprobs":21)"), "top_logprobs", "integer_above_max_value");
  Refused(Body(R"("input":"x","include":["all"])"), "include[0]", "invalid_value");
  Refused(Body(R"("input":"x","reasoning":{"effort":"much"})"), "reasoning.effort",
          "invalid_value");
  Refused(Body(R"("input":"x","text":{"format":{"type":"regex"}})"), "text.format.type",
          "invalid_value");
  Refused(Body(R"("input":"x","text":{"format":{"type":"json_schema","schema":{}}})"),
          "text.format.name", "missing_required_parameter");
  Refused(Body(R"("input":"x","background":true,"store":false)"), "background",
          "invalid_parameter_combination");
  Refused(Body(R"("input":"x","conversation":{"id":"c"},"previous_response_id":"r")"),
          "conversation", "invalid_parameter_combination");
  Refused(Body(R"("input":"x","prompt":{"id":"p"})"), "prompt", "unsupported_parameter");
  Refused(Body(R"("input":"x","unheard":1)"), "unheard", "unknown_parameter",
          {.strict_params = true});
}

TEST(ResponsesRequest, ASchemaMayBeDeeperThanABody) {
  std::string schema = "{}";
  for (int i = 0; i < 60; ++i) schema = R"({"items":)" + schema + "}";
  Parsed(
      Body(R"("input":"x","tools":[{"type":"function","name":"f","parameters":)" + schema + "}]"));
  Parsed(Body(R"("input":"x","tools":[{"type":"namespace","name":"g","tools":[
      {"type":"function","name":"f","parameters":)" +
              schema + "}]}]"));
  Parsed(Body(R"("input":"x","text":{"format":{"type":"json_schema","name":"n","schema":)" +
              schema + "}}"));
}

}  // namespace
}  // namespace infe::api::responses
