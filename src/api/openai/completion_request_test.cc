#include "api/openai/completion_request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

std::string Body(std::string_view members) {
  return fmt::format(R"({{"model":"m","prompt":"p",{}}})", members);
}
std::string PromptBody(std::string_view prompt) {
  return fmt::format(R"({{"model":"m","prompt":{}}})", prompt);
}
CompletionRequest MustParseCompletion(const std::string& body, const ParseOptions& options = {}) {
  auto parsed = ParseCompletionRequest(body, options);
  if (parsed) return *std::move(parsed);
  ADD_FAILURE() << body.substr(0, 300) << "\n" << WriteError(parsed.error());
  return {};
}
void ExpectRefusedCompletion(const std::string& body, std::string_view param, std::string_view code,
                             const ParseOptions& options = {}) {
  SCOPED_TRACE(body.substr(0, 300));
  const auto parsed = ParseCompletionRequest(body, options);
  ASSERT_FALSE(parsed.has_value());
  ExpectError(parsed.error(), 400, param, code);
}

TEST(CompletionRequest, PromptHasFourForms) {
  using Tokens = std::vector<int64_t>;
  EXPECT_EQ(MustParseCompletion(PromptBody(R"("a")")).prompts,
            (std::vector<CompletionPrompt>{std::string("a")}));
  EXPECT_EQ(MustParseCompletion(PromptBody(R"(["a",""])")).prompts,
            (std::vector<CompletionPrompt>{std::string("a"), std::string()}));
  EXPECT_EQ(MustParseCompletion(PromptBody("[1,2]")).prompts,
            (std::vector<CompletionPrompt>{Tokens{1, 2}}));
  EXPECT_EQ(MustParseCompletion(PromptBody("[[1,2],[3]]")).prompts,
            (std::vector<CompletionPrompt>{Tokens{1, 2}, Tokens{3}}));
}

TEST(CompletionRequest, BadPromptsAreNamed) {
  ExpectRefusedCompletion(R"({"model":"m"})", "prompt", "missing_required_parameter");
  ExpectRefusedCompletion(R"({"prompt":"x"})", "model", "missing_required_parameter");
  ExpectRefusedCompletion(PromptBody("null"), "prompt", "missing_required_parameter");
  ExpectRefusedCompletion(PromptBody("7"), "prompt", "invalid_type");
  ExpectRefusedCompletion(PromptBody("{}"), "prompt", "invalid_type");
  ExpectRefusedCompletion(PromptBody("[]"), "prompt", "empty_array");
  ExpectRefusedCompletion(PromptBody("[[]]"), "prompt[0]", "empty_array");
  ExpectRefusedCompletion(PromptBody("[true]"), "prompt[0]", "invalid_type");
  ExpectRefusedCompletion(PromptBody(R"(["a",1])"), "prompt[1]", "invalid_type");
  ExpectRefusedCompletion(PromptBody(R"([1,"a"])"), "prompt[1]", "invalid_type");
  ExpectRefusedCompletion(PromptBody("[[1],\"a\"]"), "prompt[1]", "invalid_type");
  ExpectRefusedCompletion(PromptBody("[[1],[2,\"a\"]]"), "prompt[1][1]", "invalid_type");
  ExpectRefusedCompletion(PromptBody("[1,-1]"), "prompt[1]", "integer_below_min_value");
  ExpectRefusedCompletion(PromptBody("[1.5]"), "prompt[0]", "invalid_type");
  ExpectRefusedCompletion(PromptBody("[2147483648]"), "prompt[0]", "integer_above_max_value");
}

TEST(CompletionRequest, DefaultsAndFields) {
  const CompletionRequest request = MustParseCompletion(PromptBody("\"p\""));
  EXPECT_EQ(request.max_tokens, 16);
  EXPECT_EQ(request.n, 1);
  EXPECT_FALSE(request.echo);
  EXPECT_FALSE(request.logprobs.has_value());
  EXPECT_TRUE(request.sampling.empty());
  const CompletionRequest full = MustParseCompletion(
      Body(R"("max_tokens":0,"echo":true,"logprobs":5,"n":2,"best_of":2,"seed":7,"stop":["x"],)"
           R"("stream":true,"stream_options":{"include_usage":true},"temperature":0,"top_k":3,)"
           R"("user":"u","service_tier":"flex","logit_bias":{"1":1})"));
  EXPECT_EQ(full.max_tokens, 0);
  EXPECT_TRUE(full.echo);
  EXPECT_EQ(full.logprobs, 5);
  EXPECT_EQ(full.n, 2);
  EXPECT_EQ(full.sampling.seed, 7);
  EXPECT_EQ(full.sampling.stop, std::vector<std::string>{"x"});
  EXPECT_TRUE(full.streaming.include_usage);
  EXPECT_EQ(full.sampling.temperature, 0);
  EXPECT_EQ(full.sampling.top_k, 3);
  EXPECT_EQ(full.user, "u");
  EXPECT_EQ(full.service_tier, ServiceTier::kFlex);
  EXPECT_EQ(full.sampling.logit_bias.size(), 1u);
  EXPECT_TRUE(full.ignored.empty());
}

TEST(CompletionRequest, RangesAndTypes) {
  for (const char* members :
       {R"("max_tokens":0)", R"("logprobs":0)", R"("logprobs":5)", R"("best_of":1)",
        R"("n":2,"best_of":2)", R"("echo":true)", R"("suffix":null)", R"("temperature":0)"})
    MustParseCompletion(Body(members));
  ExpectRefusedCompletion(Body(R"("max_tokens":-1)"), "max_tokens", "integer_below_min_value");
  ExpectRefusedCompletion(Body(R"("logprobs":6)"), "logprobs", "integer_above_max_value");
  ExpectRefusedCompletion(Body(R"("logprobs":-1)"), "logprobs", "integer_below_min_value");
  ExpectRefusedCompletion(Body(R"("logprobs":true)"), "logprobs", "invalid_type");
  ExpectRefusedCompletion(Body(R"("echo":1)"), "echo", "invalid_type");
  ExpectRefusedCompletion(Body(R"("best_of":2)"), "best_of", "unsupported_value");
  ExpectRefusedCompletion(Body(R"("suffix":1)"), "suffix", "invalid_type");
  ExpectRefusedCompletion(Body(R"("n":9)"), "n", "integer_above_max_value");
  ExpectRefusedCompletion(Body(R"("temperature":3)"), "temperature", "decimal_above_max_value");
  ExpectRefusedCompletion(Body(R"("stream_options":{})"), "stream_options", "-");
  ExpectRefusedCompletion(Body(R"("stop":[])"), "stop", "empty_array");
  ExpectRefusedCompletion(Body(R"("guided_regex":"a")"), "guided_regex", "unsupported_parameter");
  ExpectRefusedCompletion("[]", "-", "-");
}

TEST(CompletionRequest, ASuffixAndTheNamesOfPeersAreTaken) {
  const CompletionRequest request = MustParseCompletion(
      Body(R"("suffix":"}","max_new_tokens":7,"min_tokens":2,"stop_token_ids":[5],)"
           R"("cache_salt":"s","repeat_penalty":1.2)"));
  EXPECT_EQ(request.suffix, "}");
  EXPECT_EQ(request.max_tokens, 7);
  EXPECT_EQ(request.cache_salt, "s");
  EXPECT_EQ(request.sampling.repetition_penalty, 1.2);
  EXPECT_TRUE(request.ignored.empty()) << request.ignored.Header();
  ExpectRefusedCompletion(Body(R"("max_tokens":1,"max_new_tokens":7)"), "max_tokens",
                          "invalid_parameter_combination");
  ExpectRefusedCompletion(Body(R"("prompt_logprobs":1)"), "prompt_logprobs",
                          "unsupported_parameter");
}

TEST(CompletionRequest, PromptsTimesChoicesAreLimited) {
  const auto of = [](int count, std::string_view members) {
    std::string prompts;
    for (int i = 0; i < count; ++i) prompts += i > 0 ? ",\"p\"" : "\"p\"";
    return fmt::format(R"({{"model":"m","prompt":[{}]{}}})", prompts, members);
  };
  EXPECT_EQ(MustParseCompletion(of(128, "")).prompts.size(), 128u);
  EXPECT_EQ(MustParseCompletion(of(64, ",\"n\":2")).n, 2);
  ExpectRefusedCompletion(of(129, ""), "prompt", "array_above_max_length");
  ExpectRefusedCompletion(of(65, ",\"n\":2"), "n", "invalid_parameter_combination");
}

TEST(CompletionRequest, ConstraintsWorkHereToo) {
  EXPECT_EQ(MustParseCompletion(Body(R"("response_format":{"type":"json_object"})")).format.kind,
            OutputFormat::Kind::kJsonObject);
  EXPECT_EQ(MustParseCompletion(Body(R"("structured_outputs":{"regex":"a"})")).format.kind,
            OutputFormat::Kind::kRegex);
}

TEST(CompletionRequest, ChatFieldsAreListedAsIgnored) {
  EXPECT_EQ(
      MustParseCompletion(Body(R"("messages":[],"max_completion_tokens":3)")).ignored.Header(),
      "messages, max_completion_tokens");
  ExpectRefusedCompletion(Body(R"("messages":[])"), "messages", "unknown_parameter",
                          {.strict_params = true});
}

}  // namespace
}  // namespace infe::api
