// From an ask's numbers to the engine's: how much may be sampled, and how.
#pragma once

#include <cstdint>
#include <optional>

#include "answer/ask.h"
#include "answer/backend.h"
#include "answer/generation.h"
#include "answer/model_text.h"
#include "engine/request.h"

namespace infe::answer {

engine::Priority ToEngine(Priority priority);

// The ask's seed, or one drawn below 2^53 (so that JSON numbers carry it everywhere).
uint64_t ResolveSeed(const Sampling& sampling);

// How many tokens may be generated: tokens_max, or what the context leaves. Refused where the
// prompt does not fit, or leaves no room for a single token. origin: of the prompt.
Answered<uint32_t> TokenBudget(const ModelText& model, size_t prompt_tokens,
                               std::optional<int64_t> tokens_max, const Origin& origin);

// An engine request but for prompt, max_tokens, choice, logprobs and matcher. Sampling fields that
// the ask leaves out are the model's defaults, then the neutral values. Refused for a logit_bias
// outside the vocabulary.
Answered<engine::EngineRequest> MakeEngineRequest(const ModelText& model, const Caller& caller,
                                                  const Sampling& sampling, uint64_t seed);

// The ends that the ask itself names: texts, tokens, and how soon they count.
void PlanStops(const Sampling& sampling, GenerationPlan& plan);

// How an answer comes to its end where the ask gives no limit: a small model can go round in
// circles, and write items, or one string, without end. answer_tokens_max is the limit of all.
// What a grammar makes is brought to its end: from three quarters of json_tokens_max on no optional
// item is begun; by json_tokens_max the text is closed. One token more is for the end token, so
// that the answer ends with `stop`: it is whole. Of free text with tools only the calls end so.
struct UnaskedEnd {
  std::optional<int64_t> tokens_max;
  uint32_t close_within = 0;
  uint32_t wind_down_after = 0;
};
enum class Constrained : uint8_t { kNo, kYes };
UnaskedEnd UnaskedEndOf(const ChatAsk& ask, Constrained constrained, const AnswerPolicy& policy);

}  // namespace infe::answer
