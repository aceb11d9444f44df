#include "answer/budget.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/random.h"

namespace infe::answer {

engine::Priority ToEngine(Priority priority) {
  switch (priority) {
    case Priority::kPriority:
      return engine::Priority::kPriority;
    case Priority::kDefault:
      return engine::Priority::kDefault;
    case Priority::kFlex:
      return engine::Priority::kFlex;
  }
  return engine::Priority::kDefault;
}

namespace {

Answered<void> CheckToken(const ModelText& model, int64_t token, const Origin& origin) {
  if (static_cast<uint64_t>(token) < model.tokenizer->size()) return {};
  return InvalidAt(
      origin, fmt::format("Invalid token id {} in '{}': the vocabulary of {} has the ids 0 to {}.",
                          token, origin, model.name, model.tokenizer->size() - 1));
}

}  // namespace

uint64_t ResolveSeed(const Sampling& sampling) {
  if (sampling.seed) return *sampling.seed;
  return RandomUint64() >> 11;
}

Answered<uint32_t> TokenBudget(const ModelText& model, size_t prompt_tokens,
                               std::optional<int64_t> tokens_max, const Origin& origin) {
  const size_t context = model.context_max;
  // A prompt that nothing is to follow may fill the context.
  if (prompt_tokens > context || (prompt_tokens == context && tokens_max != 0)) {
    AnswerError::Overrun overrun{.context_max = context, .prompt = prompt_tokens};
    if (tokens_max) overrun.asked = static_cast<size_t>(*tokens_max);
    return TooLong(overrun, origin);
  }
  const size_t room = context - prompt_tokens;
  if (!tokens_max) return static_cast<uint32_t>(room);
  return static_cast<uint32_t>(std::min<uint64_t>(static_cast<uint64_t>(*tokens_max), room));
}

Answered<engine::EngineRequest> MakeEngineRequest(const ModelText& model, const Caller& caller,
                                                  const Sampling& sampling, uint64_t seed) {
  engine::EngineRequest request;
  engine::SamplingParams& params = request.sampling;
  const PartialSampling chosen = sampling.Over(model.sampling_defaults);
  params.temperature = static_cast<float>(chosen.temperature.value_or(1));
  params.top_p = static_cast<float>(chosen.top_p.value_or(1));
  params.min_p = static_cast<float>(chosen.min_p.value_or(0));
  params.top_k = static_cast<uint32_t>(std::min<int64_t>(chosen.top_k.value_or(0), UINT32_MAX));
  params.presence_penalty = static_cast<float>(sampling.presence_penalty);
  params.frequency_penalty = static_cast<float>(sampling.frequency_penalty);
  params.repetition_penalty = static_cast<float>(chosen.repetition_penalty.value_or(1));
  for (const LogitBias& bias : sampling.logit_bias) {
    if (auto known = CheckToken(model, bias.token, sampling.logit_bias_origin); !known)
      return std::move(known).error();
    params.logit_bias.emplace_back(static_cast<engine::TokenId>(bias.token),
                                   static_cast<float>(bias.bias));
  }
  for (const int64_t token : sampling.bounds.stops) {
    if (auto known = CheckToken(model, token, sampling.bounds.stops_origin); !known)
      return std::move(known).error();
    request.late_tokens.push_back(static_cast<engine::TokenId>(token));
  }
  request.min_tokens = static_cast<uint32_t>(std::min<int64_t>(sampling.bounds.min, UINT32_MAX));
  params.seed = seed;
  params.ignore_eos = sampling.ignore_eos;
  request.end_tokens = model.end_tokens;
  request.cache_salt = caller.cache_salt;
  request.fairness_key = caller.fairness_key;
  request.fairness_weight = caller.fairness_weight;
  request.priority = ToEngine(caller.priority);
  request.deadline = caller.deadline;
  return request;
}

void PlanStops(const Sampling& sampling, GenerationPlan& plan) {
  plan.stops = sampling.stops;
  plan.stops_asked = plan.stops.size();
  plan.stop_text = sampling.stop_text;
  for (const int64_t token : sampling.bounds.stops)
    plan.stop_tokens.push_back(static_cast<engine::TokenId>(token));
  plan.tokens_min = static_cast<uint32_t>(std::min<int64_t>(sampling.bounds.min, UINT32_MAX));
}

UnaskedEnd UnaskedEndOf(const ChatAsk& ask, Constrained constrained, const AnswerPolicy& policy) {
  UnaskedEnd end{.tokens_max = ask.tokens_max};
  if (ask.tokens_max) return end;
  if (policy.answer_tokens_max != 0)
    end.tokens_max = std::max<int64_t>(policy.answer_tokens_max, ask.sampling.bounds.min) +
                     std::min<int64_t>(ask.thinking.tokens_max.value_or(0), UINT32_MAX);
  const uint32_t most = policy.json_tokens_max;
  if (constrained == Constrained::kNo || most == 0) return end;
  if (ask.format.kind != Format::Kind::kText) end.tokens_max = most + 1;
  end.close_within = most;
  end.wind_down_after = std::max<uint32_t>(1, most - most / 4);
  return end;
}

}  // namespace infe::answer
