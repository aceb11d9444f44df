#include "server/door/charge.h"

#include <utility>

namespace infe::server {

bool Charge::Take(Holdings holdings) {
  const std::lock_guard lock(mutex_);
  if (over_) {
    for (const auto& permit : holdings.permits) permit->Cancel();
    return false;  // the rest goes with the argument; the row ends as abandoned
  }
  holdings_ = std::move(holdings);
  return true;
}

void Charge::SetPromptTokens(uint64_t prompt_tokens) {
  const std::lock_guard lock(mutex_);
  if (holdings_.place) holdings_.place->SetPromptTokens(prompt_tokens);
}

void Charge::PromptDone() {
  const std::lock_guard lock(mutex_);
  if (holdings_.place) holdings_.place->PromptDone();
}

void Charge::Checkpoint(int64_t prompt_tokens, int64_t completion_tokens) {
  const std::lock_guard lock(mutex_);
  if (holdings_.row) holdings_.row->Checkpoint(prompt_tokens, 0, completion_tokens);
}

void Charge::Settle(const End& end) {
  Holdings last;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(over_, true)) return;
    last = std::exchange(holdings_, {});
  }
  if (last.row) last.row->Settle(end.usage);
  for (const auto& permit : last.permits) {
    if (end.refused)
      permit->Cancel();
    else
      permit->Settle(end.work_tokens);
  }
}

}  // namespace infe::server
