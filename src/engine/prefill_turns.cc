#include "engine/prefill_turns.h"

#include <algorithm>
#include <limits>

namespace infe::engine {

void PrefillTurns::SetPresent(std::span<const std::string* const> keys) {
  const auto is_named = [&](const std::string& key) {
    return std::any_of(keys.begin(), keys.end(), [&](const auto* name) { return *name == key; });
  };
  double least = std::numeric_limits<double>::infinity();
  for (auto& [key, account] : accounts_) {
    account.present = account.present && is_named(key);
    if (account.present) least = std::min(least, account.tokens);
  }
  if (least != std::numeric_limits<double>::infinity()) floor_ = std::max(floor_, least);
  for (const std::string* key : keys) {
    Account& account = accounts_[*key];
    if (!account.present) account.tokens = std::max(account.tokens, floor_);
    account.present = true;
  }
  // Who left ahead of the others is remembered until they are where it was, or all have left.
  std::erase_if(accounts_, [&](const auto& entry) {
    return !entry.second.present && (keys.empty() || entry.second.tokens <= floor_);
  });
}

void PrefillTurns::Charge(std::string_view key, double tokens) {
  const auto found = accounts_.find(key);
  if (found != accounts_.end()) found->second.tokens += tokens;
}

double PrefillTurns::After(std::string_view key, uint32_t remaining, double weight) const {
  const auto found = accounts_.find(key);
  const double had = found == accounts_.end() ? floor_ : found->second.tokens;
  return had + std::min(remaining, kTurnTokens) / weight;
}

}  // namespace infe::engine
