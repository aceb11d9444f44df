// From the wire's sampling fields to the engine's: what chat and text completions share.
#pragma once

#include <optional>

#include "api/openai/sampling.h"
#include "api/openai/service_tier.h"
#include "api/parsed.h"
#include "engine/request.h"
#include "server/door/caller.h"
#include "server/served_model.h"

namespace infe::server {

// The request's seed, or one drawn below 2^53 (so that JSON numbers carry it everywhere).
uint64_t ResolveSeed(const api::Sampling& sampling);

// How many tokens may be generated: max_tokens, or what the context leaves. 400 when the prompt
// does not fit, or leaves no room for a single token.
api::Parsed<uint32_t> TokenBudget(const ServedModel& model, size_t prompt_tokens,
                                  std::optional<int64_t> max_tokens);

// An engine request but for prompt, max_tokens, choice, logprobs, matcher and cache_salt. Sampling
// fields that the request leaves out are the model's defaults, then the API's. 400 for a logit_bias
// outside the vocabulary.
api::Parsed<engine::EngineRequest> MakeEngineRequest(const ServedModel& model, const Caller& caller,
                                                     const api::Sampling& sampling, uint64_t seed);

engine::Priority ToPriority(const std::optional<api::ServiceTier>& tier);

}  // namespace infe::server
