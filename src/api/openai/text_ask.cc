#include "api/openai/text_ask.h"

#include "api/openai/ask_parts.h"

namespace infe::api {

answer::TextAsk ToAsk(const CompletionRequest& request) {
  answer::TextAsk ask;
  ask.prompts = request.prompts;
  ask.prompts_origin = "prompt";
  ask.suffix = request.suffix;
  ask.suffix_origin = "suffix";
  ask.format = ToAsk(request.format);
  ask.sampling = ToAsk(request.sampling);
  ask.tokens_max = request.max_tokens;
  ask.choices = static_cast<uint32_t>(request.n);
  ask.echo = request.echo;
  ask.scores = {request.logprobs.has_value(), static_cast<uint32_t>(request.logprobs.value_or(0))};
  ask.caller.priority = ToAsk(request.service_tier);
  return ask;
}

}  // namespace infe::api
