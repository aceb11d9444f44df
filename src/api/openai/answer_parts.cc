#include "api/openai/answer_parts.h"

namespace infe::api {

Usage ToUsage(const answer::Totals& totals) {
  Usage usage;
  usage.prompt_tokens = totals.prompt_tokens;
  usage.completion_tokens = totals.completion_tokens;
  usage.cached_tokens = totals.cached_tokens;
  usage.reasoning_tokens = totals.reasoning_tokens;
  usage.accepted_prediction_tokens = totals.predicted_accepted;
  usage.rejected_prediction_tokens = totals.predicted_rejected;
  return usage;
}

Timings ToTimings(const answer::Totals& totals) {
  const answer::Timings& t = totals.timings;
  Timings wire;
  wire.prepare_ms = t.prepare_ms;
  wire.queue_ms = t.queue_ms;
  wire.prefill_ms = t.prefill_ms;
  wire.decode_ms = t.decode_ms;
  wire.ttft_ms = t.ttft_ms;
  wire.total_ms = t.total_ms;
  wire.prefill_tokens = t.prefill_tokens;
  wire.cached_tokens = t.cached_tokens;
  if (t.prefill_ms > 0) wire.prefill_tokens_per_second = t.prefill_tokens / t.prefill_ms * 1000;
  if (t.decode_ms > 0)
    wire.decode_tokens_per_second = totals.completion_tokens / t.decode_ms * 1000;
  wire.drafted_tokens = t.drafted_tokens;
  wire.accepted_tokens = t.accepted_tokens;
  return wire;
}

TokenProbability ToProbability(const answer::TokenScore::Candidate& candidate) {
  return {candidate.bytes, candidate.control, candidate.logprob};
}

std::vector<TokenLogprob> ToLogprobs(const answer::TokenScores& scores) {
  std::vector<TokenLogprob> wire;
  wire.reserve(scores.size());
  for (const answer::TokenScore& score : scores) {
    TokenLogprob& entry = wire.emplace_back();
    entry.token = ToProbability(score.token);
    for (const auto& top : score.top) entry.top.push_back(ToProbability(top));
  }
  return wire;
}

}  // namespace infe::api
