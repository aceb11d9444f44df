#include "server/queue_gate.h"

namespace infe::server {

QueueGate::Entry QueueGate::Enter(uint32_t sequences, uint64_t prompt_tokens) {
  {
    const std::lock_guard lock(state_->mutex);
    const Limits& limits = state_->limits;
    if (state_->sequences > 0 && state_->sequences + sequences > limits.sequences)
      return {nullptr, Refusal::kSequences};
    if (state_->prompt_tokens > 0 && state_->prompt_tokens + prompt_tokens > limits.prompt_tokens)
      return {nullptr, Refusal::kPromptTokens};
    state_->sequences += sequences;
    state_->prompt_tokens += prompt_tokens;
  }
  return {std::make_unique<Place>(state_, sequences, prompt_tokens), Refusal::kNone};
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
