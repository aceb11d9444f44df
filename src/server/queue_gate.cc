#include "server/queue_gate.h"

#include <algorithm>

namespace infe::server {

QueueGate::Entry QueueGate::Enter(uint32_t sequences, uint64_t prompt_tokens,
                                  uint64_t prompt_tokens_max) {
  {
    const std::lock_guard lock(state_->mutex);
    const Limits& limits = state_->limits;
    if (state_->sequences > 0 && state_->sequences + sequences > limits.sequences)
      return {nullptr, Refusal::kSequences, 0};
    const uint64_t most = std::min(limits.prompt_tokens, prompt_tokens_max);
    const uint64_t together = state_->prompt_tokens + prompt_tokens;
    if (state_->prompt_tokens > 0 && together > most)
      return {nullptr, Refusal::kPromptTokens, together - most};
    state_->sequences += sequences;
    state_->prompt_tokens += prompt_tokens;
  }
  return {std::make_unique<Place>(state_, sequences, prompt_tokens), Refusal::kNone, 0};
}

bool QueueGate::IsFull() const {
  const std::lock_guard lock(state_->mutex);
  return state_->sequences > 0 && state_->sequences >= state_->limits.sequences;
}

QueueGate::Place::~Place() {
  const std::lock_guard lock(state_->mutex);
  state_->sequences -= sequences_;
  state_->prompt_tokens -= prompt_tokens_;
}

void QueueGate::Place::SetPromptTokens(uint64_t prompt_tokens) {
  if (prompt_tokens == prompt_tokens_) return;
  const std::lock_guard lock(state_->mutex);
  state_->prompt_tokens += prompt_tokens - prompt_tokens_;  // modulo 2^64 where it falls
  prompt_tokens_ = prompt_tokens;
}

}  // namespace infe::server
