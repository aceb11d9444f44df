#include "api/openai/ask_parts.h"

#include <fmt/format.h>

namespace infe::api {
namespace {

answer::Format::Kind ToAsk(OutputFormat::Kind kind) {
  using To = answer::Format::Kind;
  switch (kind) {
    case OutputFormat::Kind::kText:
      return To::kText;
    case OutputFormat::Kind::kJsonObject:
      return To::kJsonObject;
    case OutputFormat::Kind::kJsonSchema:
      return To::kJsonSchema;
    case OutputFormat::Kind::kRegex:
      return To::kRegex;
    case OutputFormat::Kind::kChoice:
      return To::kChoice;
    case OutputFormat::Kind::kGrammar:
      return To::kGrammar;
  }
  return To::kText;
}

}  // namespace

answer::Sampling ToAsk(const Sampling& sampling) {
  answer::Sampling ask;
  static_cast<PartialSampling&>(ask) = sampling;
  ask.presence_penalty = sampling.presence_penalty;
  ask.frequency_penalty = sampling.frequency_penalty;
  for (const LogitBias& bias : sampling.logit_bias)
    ask.logit_bias.push_back({bias.token, bias.bias});
  ask.logit_bias_origin = "logit_bias";
  if (sampling.seed) ask.seed = static_cast<uint64_t>(*sampling.seed);
  ask.stops = sampling.stop;
  ask.stop_text = sampling.include_stop ? answer::StopText::kKept : answer::StopText::kLeftOut;
  ask.bounds = {sampling.min_tokens, sampling.stop_tokens, "stop_token_ids"};
  ask.ignore_eos = sampling.ignore_eos;
  return ask;
}

answer::Format ToAsk(const OutputFormat& format) {
  return {.kind = ToAsk(format.kind),
          .schema = format.schema,
          .strict = format.strict,
          .text = format.text,
          .choices = format.choices,
          .name = format.name,
          .origin = format.param};
}

std::string CacheKey(std::string_view prompt_cache_key, std::string_view cache_salt) {
  if (cache_salt.empty()) return std::string(prompt_cache_key);
  // The length first, so that no pair of the two can imitate another, and none a key alone.
  return fmt::format("salted {} {}{}", prompt_cache_key.size(), prompt_cache_key, cache_salt);
}

answer::Priority ToAsk(const std::optional<ServiceTier>& tier) {
  if (!tier) return answer::Priority::kDefault;
  switch (*tier) {
    case ServiceTier::kPriority:
      return answer::Priority::kPriority;
    case ServiceTier::kDefault:
      return answer::Priority::kDefault;
    case ServiceTier::kFlex:
      return answer::Priority::kFlex;
  }
  return answer::Priority::kDefault;
}

}  // namespace infe::api
