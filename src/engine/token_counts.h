// Which tokens a sequence has had, for penalties: sorted by id, so that the sampler can walk it
// beside the vocabulary.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::engine {

using tokenizer::TokenId;

class TokenCounts {
 public:
  struct Entry {
    TokenId token;
    uint32_t generated;  // 0: only in the prompt
  };

  void AddPrompt(std::span<const TokenId> prompt) {
    for (const TokenId token : prompt) entries_.push_back({token, 0});
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.token < b.token; });
    entries_.erase(std::unique(entries_.begin(), entries_.end(),
                               [](const Entry& a, const Entry& b) { return a.token == b.token; }),
                   entries_.end());
  }
  void AddGenerated(TokenId token) {
    const auto it =
        std::lower_bound(entries_.begin(), entries_.end(), token,
                         [](const Entry& entry, TokenId value) { return entry.token < value; });
    if (it != entries_.end() && it->token == token) {
      ++it->generated;
    } else {
      entries_.insert(it, {token, 1});
    }
  }
  std::span<const Entry> entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace infe::engine
