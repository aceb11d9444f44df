#include "server/sampling.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/random.h"

namespace infe::server {

uint64_t ResolveSeed(const api::Sampling& sampling) {
  if (sampling.seed) return static_cast<uint64_t>(*sampling.seed);
  return RandomUint64() >> 11;
}

api::Parsed<uint32_t> TokenBudget(const ServedModel& model, size_t prompt_tokens,
                                  std::optional<int64_t> max_tokens) {
  const size_t context = model.context_max();
  // A prompt that nothing is to follow may fill the context.
  if (prompt_tokens > context || (prompt_tokens == context && max_tokens != 0)) {
    std::optional<size_t> asked;
    if (max_tokens) asked = static_cast<size_t>(*max_tokens);
    return api::ContextLengthExceeded(context, prompt_tokens, asked);
  }
  const size_t room = context - prompt_tokens;
  if (!max_tokens) return static_cast<uint32_t>(room);
  return static_cast<uint32_t>(std::min<uint64_t>(static_cast<uint64_t>(*max_tokens), room));
}

api::Parsed<engine::EngineRequest> MakeEngineRequest(const ServedModel& model, const Caller& caller,
                                                     const api::Sampling& sampling, uint64_t seed) {
  engine::EngineRequest request;
  const PartialSampling chosen = sampling.Over(model.sampling_defaults());
  request.sampling.temperature = static_cast<float>(chosen.temperature.value_or(1));
  request.sampling.top_p = static_cast<float>(chosen.top_p.value_or(1));
  request.sampling.min_p = static_cast<float>(chosen.min_p.value_or(0));
  request.sampling.top_k =
      static_cast<uint32_t>(std::min<int64_t>(chosen.top_k.value_or(0), UINT32_MAX));
  request.sampling.presence_penalty = static_cast<float>(sampling.presence_penalty);
  request.sampling.frequency_penalty = static_cast<float>(sampling.frequency_penalty);
  request.sampling.repetition_penalty = static_cast<float>(chosen.repetition_penalty.value_or(1));
  for (const api::LogitBias& bias : sampling.logit_bias) {
    if (static_cast<uint64_t>(bias.token) >= model.tokenizer().size())
      return api::InvalidValue(
          "logit_bias",
          fmt::format(
              "Invalid token id {} in 'logit_bias': the vocabulary of {} has the ids 0 to {}.",
              bias.token, model.name(), model.tokenizer().size() - 1));
    request.sampling.logit_bias.emplace_back(static_cast<engine::TokenId>(bias.token),
                                             static_cast<float>(bias.bias));
  }
  request.sampling.seed = seed;
  request.sampling.ignore_eos = sampling.ignore_eos;
  request.end_tokens = model.loaded().end_tokens;
  request.fairness_key = caller.fairness_key();
  if (caller.key) request.fairness_weight = caller.key->weight;
  request.deadline = caller.deadline;
  return request;
}

engine::Priority ToPriority(const std::optional<api::ServiceTier>& tier) {
  if (!tier) return engine::Priority::kDefault;
  switch (*tier) {
    case api::ServiceTier::kPriority:
      return engine::Priority::kPriority;
    case api::ServiceTier::kDefault:
      return engine::Priority::kDefault;
    case api::ServiceTier::kFlex:
      return engine::Priority::kFlex;
  }
  return engine::Priority::kDefault;
}

}  // namespace infe::server
