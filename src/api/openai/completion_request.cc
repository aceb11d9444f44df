#include "api/openai/completion_request.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "api/fields.h"
#include "api/openai/peer_fields.h"
#include "api/openai/text_inputs.h"
#include "api/request_body.h"

namespace infe::api {
namespace {

void ParseChoices(Fields& body, CompletionRequest& request) {
  ParseContext& context = body.context();
  const int n_max = std::min(context.options().n_max, kChoicesMax);
  request.n = static_cast<int>(body.Integer("n", {.min = 1, .max = n_max}).value_or(1));
  if (const auto best_of = body.Integer("best_of", {}); best_of && *best_of != request.n)
    context.Fail(UnsupportedValue("best_of", std::to_string(*best_of), "the value of 'n'"));
  const size_t choices = request.prompts.size() * static_cast<size_t>(request.n);
  if (choices > static_cast<size_t>(kChoicesMax))
    context.Fail(InvalidCombination(
        "n", fmt::format("{} prompts with 'n' {} are {} choices. The limit is {}.",
                         request.prompts.size(), request.n, choices, kChoicesMax)));
}

}  // namespace

Parsed<CompletionRequest> ParseCompletionRequest(std::string_view text,
                                                 const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  CompletionRequest request;
  request.model = body.RequireString("model");
  request.prompts = ParseTextInputs(body, "prompt", options.prompts_max);
  request.streaming = ParseStreaming(body);
  request.sampling = ParseSampling(body);
  constexpr std::array<std::string_view, 4> kTokensMaxNames{"max_tokens", "max_new_tokens",
                                                            "max_output_tokens", "n_predict"};
  request.max_tokens = ParseTokensMax(body, kTokensMaxNames, 0, request.sampling).value_or(16);
  ParseChoices(body, request);
  request.echo = body.Bool("echo").value_or(false);
  if (const auto logprobs = body.Integer("logprobs", {.min = 0, .max = kCompletionLogprobsMax}))
    request.logprobs = static_cast<int>(*logprobs);
  request.suffix = body.String("suffix");
  RefusePeerFields(body);
  request.format = ParseOutputFormat(body);
  request.service_tier = ParseServiceTier(body);
  request.cache_salt = body.String("cache_salt", kIdentityMax).value_or("");
  request.prompt_cache_key = body.String("prompt_cache_key", kIdentityMax).value_or("");
  request.user = body.String("user", kIdentityMax).value_or("");
  request.safety_identifier = body.String("safety_identifier", kSafetyIdentifierMax).value_or("");
  body.Finish();
  if (context.failed()) return context.TakeError();
  request.ignored = context.TakeIgnored();
  return request;
}

}  // namespace infe::api
