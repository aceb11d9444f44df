// EngineCore: from logits to tokens.
#include <algorithm>

#include "base/check.h"
#include "engine/core.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

// Tokens drawn in search of one after which the text can still be finished.
constexpr int kClosingTries = 8;

}  // namespace

bool EngineCore::IsEnd(const Sequence& sequence, TokenId token) const {
  const auto& ends = sequence.request.end_tokens;
  if (sequence.request.sampling.ignore_eos && sequence.constraint == nullptr) return false;
  return std::find(ends.begin(), ends.end(), token) != ends.end();
}

void EngineCore::TakeLogits(TimePoint now) {
  const float* logits = model_.logits();
  const size_t stride = model_.logits_stride();
  size_t row = 0;
  for (const Item& item : items_) {
    const Sequence& sequence = *item.sequence;
    const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
    const bool reports_prompt =
        sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size;
    const uint32_t rows = reports_prompt ? item.rows : item.samples ? 1 + draft : 0;
    TakeItem(item, logits + row * stride, now);
    row += rows;
  }
}

void EngineCore::TakeItem(const Item& item, const float* logits, TimePoint now) {
  Sequence& sequence = *item.sequence;
  const size_t stride = model_.logits_stride();
  const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
  sequence.tokens.resize(sequence.tokens.size() - draft);
  uint32_t computed = sequence.kv.computed + item.rows;
  if (!sequence.has_output()) sequence.prefill_tokens += item.rows;
  if (sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size) {
    TakePromptLogprobs(sequence, item, logits);
    logits += (item.rows - 1) * stride;
  }
  uint32_t matched = 0;
  for (uint32_t i = 0; item.samples && i <= draft; ++i) {
    const MaskState* mask = nullptr;
    if (sequence.constraint != nullptr) {
      if (i == 0) {
        auto state = sequence.constraint->Mask();
        if (!state) {
          Fail(sequence, std::move(state).error());
          break;
        }
        mask = *state;
      } else {
        mask = &sequence.draft_masks[i - 1];
      }
    }
    const float* row = logits + i * stride;
    const auto token = SampleRow(sequence, row, mask);
    if (!token) {
      Fail(sequence, token.error());
      break;
    }
    SampledToken sampled{.token = *token, .logprob = 0, .top = {}};
    if (sequence.wants_logprobs()) {
      RawLogprobs(math_, row, vocabulary_, *token, sequence.request.sampling.top_logprobs, sampled);
    }
    if (!sequence.has_first_token) {
      sequence.has_first_token = true;
      sequence.first_token = now;
    }
    Append(sequence, *token, std::move(sampled));
    const bool appended = sequence.tokens.size() > computed;
    if (i == draft || !appended || *token != sequence.draft.tokens[i]) break;
    ++matched;
    ++computed;  // the draft's key and value are this token's
    if (sequence.finish) break;
  }
  if (draft > 0) {
    sequence.speculator->Observe(sequence.draft.source, draft, matched);
    sequence.drafted += draft;
    sequence.accepted += matched;
    totals_.drafted += draft;
    totals_.accepted += matched;
  }
  cache_.Commit(sequence.kv, sequence.tokens, computed);
}

void EngineCore::TakePromptLogprobs(Sequence& sequence, const Item& item, const float* logits) {
  const uint32_t top = sequence.request.sampling.top_logprobs;
  if (sequence.prompt_reported == 0) {
    sequence.fresh_prompt.push_back({.token = sequence.tokens[0], .logprob = 0, .top = {}});
    sequence.prompt_reported = 1;
  }
  for (uint32_t r = 0; r < item.rows; ++r) {
    const uint32_t position = sequence.kv.computed + r + 1;  // whose token this row foretells
    if (position >= sequence.prompt_size) return;
    if (position < sequence.prompt_reported) continue;  // computed again after a preemption
    SampledToken sampled;
    RawLogprobs(math_, logits + r * model_.logits_stride(), vocabulary_, sequence.tokens[position],
                top, sampled);
    sequence.fresh_prompt.push_back(std::move(sampled));
    sequence.prompt_reported = position + 1;
  }
}

// Samples the token after sequence.tokens and lets the grammar take it.
Result<TokenId> EngineCore::SampleRow(Sequence& sequence, const float* logits,
                                      const MaskState* mask) {
  SampleInput input;
  input.logits = logits;
  input.vocabulary = vocabulary_;
  input.params = &sequence.request.sampling;
  input.bias = sequence.bias;
  input.history = sequence.counts.entries();
  input.banned = sequence.banned;
  input.position = sequence.tokens.size();
  if (mask != nullptr) {
    input.mask = mask->words;
    input.allowed = mask->allowed;
  }
  // A text too long for its limit at first (bounds count bytes, the limit tokens) may come within
  // it.
  if (!sequence.closing && sequence.constraint != nullptr && sequence.request.close_before_limit) {
    const auto bound = sequence.constraint->FinishBound();
    sequence.closing = bound && *bound <= sequence.tokens_max - sequence.tokens.size();
  }
  if (sequence.closing) return SampleClosing(sequence, input);
  const auto token = sampler_.Sample(input);
  if (!token) return Internal("no token can follow: the model's logits are not numbers");
  if (sequence.constraint != nullptr && !IsEnd(sequence, *token)) {
    INFE_TRY(sequence.constraint->Accept(*token));
  }
  return *token;
}

// As SampleRow, but only tokens after which the grammar's text can still be finished within the
// limit: each token is at least a byte, so a bound in bytes bounds the tokens. Such a token always
// exists, because the bound held before.
Result<TokenId> EngineCore::SampleClosing(Sequence& sequence, SampleInput input) {
  const size_t left = sequence.tokens_max - sequence.tokens.size() - 1;  // after this token
  Constraint& constraint = *sequence.constraint;
  const auto closes = [&](TokenId token) -> Result<bool> {  // accepted if true
    if (IsEnd(sequence, token)) return true;
    INFE_TRY(constraint.Accept(token));
    const auto bound = constraint.FinishBound();
    if (bound && *bound <= left) return true;
    constraint.Rollback(1);
    return false;
  };
  std::vector<TokenId> banned = sequence.banned;
  for (int i = 0; i < kClosingTries; ++i) {
    input.banned = banned;
    const auto token = sampler_.Sample(input);
    if (!token) break;
    INFE_ASSIGN(const bool good, closes(*token));
    if (good) return *token;
    banned.insert(std::lower_bound(banned.begin(), banned.end(), *token), *token);
  }
  // No likely token does: only those on a shortest way are left.
  INFE_ASSIGN(const MaskState finish, constraint.MaskToFinish());
  input.mask = finish.words;
  input.allowed = finish.allowed;
  input.banned = sequence.banned;
  const auto token = sampler_.Sample(input);
  if (!token) return Internal("no token can follow: the model's logits are not numbers");
  INFE_ASSIGN(const bool good, closes(*token));
  if (!good) {
    sequence.closing = false;  // the bound was not one: go on without
    INFE_TRY(constraint.Accept(*token));
  }
  return *token;
}

void EngineCore::Append(Sequence& sequence, TokenId token, SampledToken sampled) {
  ++sequence.completion_tokens;
  ++totals_.generated_tokens;
  scheduler_.counters().Charge(sequence.request.fairness_key,
                               kServicePerOutputToken / sequence.request.fairness_weight);
  if (IsEnd(sequence, token)) return Finish(sequence, FinishReason::kStop);
  sequence.tokens.push_back(token);
  sequence.fresh.push_back(std::move(sampled));
  const SamplingParams& params = sequence.request.sampling;
  if (params.presence_penalty != 0 || params.frequency_penalty != 0 ||
      params.repetition_penalty != 1) {
    sequence.counts.AddGenerated(token);
  }
  if (sequence.speculator != nullptr) {
    sequence.speculator->OnToken(sequence.tokens, sequence.prompt_size);
  }
  if (sequence.tokens.size() >= sequence.tokens_max) Finish(sequence, FinishReason::kLength);
}

}  // namespace infe::engine
