#include "server/door/queue_gate.h"

#include <algorithm>

namespace infe::server {

QueueGate::Entry QueueGate::State::Check(const Ask& ask) const {
  if (sequences > 0 && sequences + ask.sequences > limits.sequences)
    return {nullptr, Refusal::kSequences, 0};
  const uint64_t most = std::min(limits.prompt_tokens, ask.prompt_tokens_max);
  const uint64_t together = prompt_tokens + ask.prompt_tokens;
  if (prompt_tokens == 0 || together <= most) return {};
  // Its share: keys take turns, so its prompts wait as if all whose prompts wait had as much.
  const auto found = of_key.find(ask.key);
  const uint64_t own = found == of_key.end() ? 0 : found->second;
  const uint64_t keys = of_key.size() + (own == 0 ? 1 : 0);
  const bool has_room = own == 0 || own + ask.prompt_tokens <= most / keys;
  if (keys > 1 && has_room && together / 2 <= most) return {};
  const bool is_own = keys > 1 && own > 0 && !has_room;
  return {nullptr, is_own ? Refusal::kOwnPromptTokens : Refusal::kPromptTokens, together - most};
}

void QueueGate::State::Add(const std::string& key, uint64_t tokens) {
  prompt_tokens += tokens;
  if (tokens > 0) of_key[key] += tokens;
}

void QueueGate::State::Remove(const std::string& key, uint64_t tokens) {
  prompt_tokens -= tokens;
  const auto own = of_key.find(key);
  if (own == of_key.end()) return;
  own->second -= tokens;
  if (own->second == 0) of_key.erase(own);
}

QueueGate::Entry QueueGate::Enter(const Ask& ask) {
  {
    const std::lock_guard lock(state_->mutex);
    Entry entry = state_->Check(ask);
    if (entry.refusal != Refusal::kNone) return entry;
    state_->sequences += ask.sequences;
    state_->Add(ask.key, ask.prompt_tokens);
  }
  return {std::make_unique<Place>(state_, ask), Refusal::kNone, 0};
}

bool QueueGate::IsFull() const {
  const std::lock_guard lock(state_->mutex);
  return state_->sequences > 0 && state_->sequences >= state_->limits.sequences;
}

QueueGate::Place::~Place() {
  const std::lock_guard lock(state_->mutex);
  state_->sequences -= sequences_;
  state_->Remove(key_, prompt_tokens_);
}

void QueueGate::Place::SetPromptTokens(uint64_t prompt_tokens) {
  if (prompt_tokens == prompt_tokens_) return;
  const std::lock_guard lock(state_->mutex);
  state_->Remove(key_, prompt_tokens_);
  state_->Add(key_, prompt_tokens);
  prompt_tokens_ = prompt_tokens;
}

}  // namespace infe::server
