// Where the last few tokens of a text have stood before: prompt lookup (Saxena 2023). A table from
// a hash of kNgram tokens to the position after their latest occurrence; a look-up compares tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::engine {

using tokenizer::TokenId;

class NgramIndex {
 public:
  static constexpr uint32_t kNgram = 3;
  struct Match {
    uint32_t position = 0;  // where the earlier occurrence goes on
    uint32_t length = 0;    // tokens that agree before it, up to kLengthMax; 0: no match
  };
  static constexpr uint32_t kLengthMax = 16;

  // Takes note of all n-grams of `text` that end before its last token, new ones since the last
  // call only. `text` only ever grows at its end (or Clear is called).
  void Extend(std::span<const TokenId> text);
  // The latest position in `text` whose kNgram predecessors equal the last kNgram of `tail`.
  Match Find(std::span<const TokenId> text, std::span<const TokenId> tail) const;
  void Clear();

 private:
  void Insert(uint64_t hash, uint32_t position);
  void Grow();

  struct Slot {
    uint64_t hash = 0;
    uint32_t position = 0;  // 0: empty
  };
  std::vector<Slot> slots_;  // open addressing, a power of two
  uint32_t used_ = 0;
  uint32_t extended_ = 0;  // n-grams ending before this position are in
};

}  // namespace infe::engine
