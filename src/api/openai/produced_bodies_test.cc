// Bodies for the conformance run of tests/conformance/openapi_schemas.py, which validates them
// against OpenAI's published schemas: one JSON line {"case","schema","body"} per answer, chunk and
// error that the writers can make goes to the file that INFE_PRODUCED_BODIES names. The other way
// round, request bodies of INFE_PROBE_BODIES are parsed and the verdicts written to
// INFE_PROBE_RESULTS.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "api/ids.h"
#include "api/openai/chat_completion_chunk.h"
#include "api/openai/chat_completion_request.h"
#include "api/openai/chat_completion_response.h"
#include "api/openai/completion_request.h"
#include "api/openai/completion_response.h"
#include "api/openai/model_object.h"
#include "base/json.h"

namespace infe::api {
namespace {

struct Produced {
  std::string name;
  std::string schema;
  std::string body;
};

ResponseHead Head(std::string id) {
  return {.id = std::move(id),
          .created = 1700000000,
          .model = "infe-pulse",
          .fingerprint = "fp_0123456789",
          .service_tier = ServiceTier::kDefault};
}

ResponseExtras Extras() {
  ResponseExtras extras{.seed = 7, .timings = Timings{.total_ms = 12.5}};
  extras.metadata.emplace().emplace_back("k", "v");
  extras.truncated_messages = 1;
  extras.unenforced = {"/properties/a: not"};
  return extras;
}

std::vector<TokenLogprob> Tokens() {
  const TokenProbability half{"\xe2\x82", false, -0.5F};
  const TokenProbability special{"<|im_end|>", true, -20000};
  return {{half, {half, special}}, {special, {}}};
}

std::vector<ToolCall> Calls() {
  return {{ToolCall::Kind::kFunction, NewCallId(), "f", R"({"a":1})"},
          {ToolCall::Kind::kCustom, NewCallId(), "c", "text"}};
}

void ProduceChat(std::vector<Produced>& out) {
  const std::string schema = "CreateChatCompletionResponse";
  ChatCompletionResponse response;
  response.head = Head(NewChatCompletionId());
  response.usage = {.prompt_tokens = 3, .completion_tokens = 4, .cached_tokens = 1};
  ChatChoice text;
  text.content = "Hi";
  response.choices = {text};
  out.push_back({"chat", schema, WriteChatCompletion(response)});
  response.extras = Extras();
  response.choices[0].logprobs = Tokens();
  response.choices[0].reasoning_content = "hm";
  response.choices[0].finish_reason = FinishReason::kLength;
  out.push_back({"chat_everything", schema, WriteChatCompletion(response)});
  ChatChoice calls;
  calls.tool_calls = Calls();
  calls.finish_reason = FinishReason::kToolCalls;
  response.choices = {calls};
  out.push_back({"chat_tool_calls", schema, WriteChatCompletion(response)});
  calls.legacy_function_call = true;
  calls.finish_reason = FinishReason::kFunctionCall;
  response.choices = {calls, text};
  response.choices[1].index = 1;
  response.choices[1].finish_reason = FinishReason::kContentFilter;
  out.push_back({"chat_function_call", schema, WriteChatCompletion(response)});
}

void ProduceChunks(std::vector<Produced>& out) {
  const auto add = [&](std::string name, std::string_view body) {
    out.push_back({"chunk_" + name, "CreateChatCompletionStreamResponse", std::string(body)});
  };
  ChunkWriter writer(Head(NewChatCompletionId()),
                     {.include_usage = true, .include_obfuscation = true});
  const std::vector<TokenLogprob> tokens = Tokens();
  const std::vector<ToolCall> calls = Calls();
  add("role", writer.Role(0));
  add("content", writer.Content(0, "Hi"));
  add("content_logprobs", writer.Content(0, "Hi", &tokens));
  add("reasoning", writer.Reasoning(0, "hm"));
  add("call_first", writer.ToolCallBegin(1, 0, calls[0]));
  add("call_arguments", writer.ToolCallArguments(1, 0, "{}"));
  add("custom_call", writer.ToolCallBegin(1, 1, calls[1]));
  add("custom_input", writer.ToolCallArguments(1, 1, "x", ToolCall::Kind::kCustom));
  add("function_call", writer.FunctionCallBegin(2, "f"));
  add("function_arguments", writer.FunctionCallArguments(2, "{}"));
  add("finish", writer.Finish(0, FinishReason::kStop));
  add("finish_calls", writer.Finish(1, FinishReason::kToolCalls));
  add("usage", writer.UsageChunk({.prompt_tokens = 1}, Extras()));
  ChunkWriter plain(Head(NewChatCompletionId()), {});
  const ResponseExtras extras = Extras();
  add("plain_first", plain.Content(0, "Hi"));
  add("plain_finish", plain.Finish(0, FinishReason::kStop, nullptr, &extras));
}

void ProduceCompletions(std::vector<Produced>& out) {
  CompletionLogprobs logprobs;
  logprobs.tokens.push_back({.token = {"A", false, -1},
                             .has_logprob = true,
                             .top = {{"A", false, -1}},
                             .text_offset = 0});
  CompletionResponse response;
  response.head = Head(NewCompletionId());
  response.choices.push_back({.index = 0, .text = "A", .logprobs = logprobs});
  response.extras = Extras();
  out.push_back({"completion", "CreateCompletionResponse", WriteCompletion(response)});
  logprobs.tokens[0].has_logprob = false;
  response.choices[0].logprobs = logprobs;
  out.push_back({"completion_echo", "CreateCompletionResponse", WriteCompletion(response)});
  CompletionChunkWriter writer(Head(NewCompletionId()), true);
  const auto add = [&](std::string name, std::string_view body) {
    out.push_back({"completion_chunk_" + name, "CreateCompletionResponse", std::string(body)});
  };
  add("text", writer.Text(0, "A"));
  add("finish", writer.Finish(0, FinishReason::kLength));
  add("usage", writer.UsageChunk({.prompt_tokens = 1}, Extras()));
}

void ProduceRest(std::vector<Produced>& out) {
  ModelObject model{.id = "infe-pulse", .created = 1, .context_length = 8192};
  out.push_back({"model", "Model", WriteModel(model)});
  out.push_back({"models", "ListModelsResponse", WriteModelList({&model, 1})});
  out.push_back({"error_param", "ErrorResponse", WriteError(MissingParameter("messages"))});
  out.push_back({"error_plain", "ErrorResponse", WriteError(InternalError())});
  out.push_back({"error_limit", "ErrorResponse", WriteError(RateLimited({}))});
}

TEST(ProducedBodies, AreOneLineEachAndGoToTheConformanceRun) {
  std::vector<Produced> produced;
  ProduceChat(produced);
  ProduceChunks(produced);
  ProduceCompletions(produced);
  ProduceRest(produced);
  const char* path = std::getenv("INFE_PRODUCED_BODIES");
  std::ofstream file;
  if (path != nullptr) file.open(path);
  for (const Produced& item : produced) {
    const auto body = ParseJson(item.body);
    ASSERT_TRUE(body.has_value()) << item.name << item.body;
    EXPECT_EQ(item.body.find('\n'), std::string::npos);
    Json line = Json::MakeObject();
    line.set("case", item.name);
    line.set("schema", item.schema);
    line.set("body", *body);
    if (file.is_open()) file << line.Dump() << '\n';
  }
}

// One verdict: {"ok":true,"ignored":[..]} or {"ok":false,"param":..,"code":..,"message":..}.
template <typename T>
Json Verdict(const Parsed<T>& parsed) {
  Json out = Json::MakeObject();
  out.set("ok", parsed.has_value());
  if (parsed) {
    Json& ignored = out.set("ignored", Json::MakeArray());
    for (const std::string& name : parsed->ignored.names()) ignored.push_back(name);
    return out;
  }
  const auto text = [](const std::optional<std::string>& value) {
    return value ? Json(*value) : Json();
  };
  out.set("param", text(parsed.error().param));
  out.set("code", text(parsed.error().code));
  out.set("message", parsed.error().message);
  return out;
}

TEST(ProbedBodies, GetTheVerdictOfTheirEndpoint) {
  const char* in_path = std::getenv("INFE_PROBE_BODIES");
  const char* out_path = std::getenv("INFE_PROBE_RESULTS");
  if (in_path == nullptr || out_path == nullptr) GTEST_SKIP() << "no bodies to probe";
  std::ifstream in(in_path);
  std::ofstream out(out_path);
  std::string line;
  while (std::getline(in, line)) {
    const auto probe = ParseJson(line, {.depth = 200});
    ASSERT_TRUE(probe.has_value()) << line;
    const std::string body = probe->find("body")->Dump();
    out << (probe->find("endpoint")->as_string() == "/chat/completions"
                ? Verdict(ParseChatCompletionRequest(body))
                : Verdict(ParseCompletionRequest(body)))
               .Dump()
        << '\n';
  }
}

}  // namespace
}  // namespace infe::api
