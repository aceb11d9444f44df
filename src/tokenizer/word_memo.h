// WordMemo: for each token, whether encoding its bytes alone gives just that token. Most do, but
// not all, so a word that is in the vocabulary may only be taken whole where this says so. Found
// out at first need and remembered; every thread finds the same, so relaxed atomics are enough.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::tokenizer {

class WordMemo {
 public:
  explicit WordMemo(size_t tokens) : states_(tokens) {}

  template <typename FindOut>
  bool IsWhole(TokenId token, const FindOut& find_out) const {
    const uint8_t known = states_[token].load(std::memory_order_relaxed);
    if (known != kUnknown) return known == kWhole;
    const bool whole = find_out();
    states_[token].store(whole ? kWhole : kSplit, std::memory_order_relaxed);
    return whole;
  }

 private:
  static constexpr uint8_t kUnknown = 0, kWhole = 1, kSplit = 2;
  mutable std::vector<std::atomic<uint8_t>> states_;  // a memo of a pure function
};

}  // namespace infe::tokenizer
