#include "server/door/queue_gate.h"

#include <algorithm>

namespace infe::server {

QueueGate::Held QueueGate::State::Of(const std::string& key) const {
  const auto found = of_key.find(key);
  return found == of_key.end() ? Held{} : found->second;
}

bool QueueGate::State::HasRoom(const std::string& key, uint32_t sequences) const {
  const uint64_t together = all.sequences + sequences;
  if (all.sequences == 0 || together <= limits.sequences) return true;
  const uint64_t own = Of(key).sequences;
  const uint64_t keys = of_key.size() + (own == 0 ? 1 : 0);
  if (keys == 1 || together > 2 * uint64_t{limits.sequences}) return false;
  return own + sequences <= std::max<uint64_t>(1, limits.sequences / keys);
}

QueueGate::Entry QueueGate::State::Check(const Ask& ask) const {
  const Held own = Of(ask.key);
  if (!HasRoom(ask.key, ask.sequences)) {
    const bool others = own.sequences < all.sequences;
    return {nullptr, own.sequences > 0 && others ? Refusal::kOwnSequences : Refusal::kSequences, 0};
  }
  const uint64_t most = std::min(limits.prompt_tokens, ask.prompt_tokens_max);
  const uint64_t together = all.prompt_tokens + ask.prompt_tokens;
  if (all.prompt_tokens == 0 || together <= most) return {};
  // Its share: keys take turns, so its prompts wait as if all whose prompts wait had as much.
  const uint64_t keys = keys_with_prompts + (own.prompt_tokens == 0 ? 1 : 0);
  // What enters within the shares is a queue's worth in all, however much stands before it: the
  // bound of the moment may have been larger when that came.
  const bool within_share = own.prompt_tokens + ask.prompt_tokens <= most / keys;
  if (keys > 1 && (within_share || (own.prompt_tokens == 0 && together / 2 <= most))) return {};
  const bool is_own = keys > 1 && own.prompt_tokens > 0;
  return {nullptr, is_own ? Refusal::kOwnPromptTokens : Refusal::kPromptTokens, together - most};
}

void QueueGate::State::Add(const std::string& key, const Held& more) {
  if (more.sequences == 0 && more.prompt_tokens == 0) return;
  Held& own = of_key[key];
  if (own.prompt_tokens == 0 && more.prompt_tokens > 0) ++keys_with_prompts;
  for (Held* held : {&own, &all}) {
    held->sequences += more.sequences;
    held->prompt_tokens += more.prompt_tokens;
  }
}

void QueueGate::State::Remove(const std::string& key, const Held& less) {
  const auto own = of_key.find(key);
  if (own == of_key.end()) return;
  for (Held* held : {&own->second, &all}) {
    held->sequences -= less.sequences;
    held->prompt_tokens -= less.prompt_tokens;
  }
  if (own->second.prompt_tokens == 0 && less.prompt_tokens > 0) --keys_with_prompts;
  if (own->second.sequences == 0 && own->second.prompt_tokens == 0) of_key.erase(own);
}

QueueGate::Entry QueueGate::Enter(const Ask& ask) {
  {
    const std::lock_guard lock(state_->mutex);
    Entry entry = state_->Check(ask);
    if (entry.refusal != Refusal::kNone) return entry;
    state_->Add(ask.key, {ask.sequences, ask.prompt_tokens});
  }
  return {std::make_unique<Place>(state_, ask), Refusal::kNone, 0};
}

bool QueueGate::IsFull(const std::string& key) const {
  const std::lock_guard lock(state_->mutex);
  return !state_->HasRoom(key, 1);
}

QueueGate::Place::~Place() {
  const std::lock_guard lock(state_->mutex);
  state_->Remove(key_, held_);
}

void QueueGate::Place::SetPromptTokens(uint64_t prompt_tokens) {
  if (prompt_tokens == held_.prompt_tokens) return;
  const std::lock_guard lock(state_->mutex);
  state_->Remove(key_, {0, held_.prompt_tokens});
  state_->Add(key_, {0, prompt_tokens});
  held_.prompt_tokens = prompt_tokens;
}

}  // namespace infe::server
