// SpecialMatcher: finds tokens that are matched as whole strings before any merging. At each place
// the longest allowed one wins, leftmost first, as in Hugging Face's added tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::tokenizer {

struct TextSpan {
  size_t begin = 0;  // bytes
  size_t end = 0;
};

class SpecialMatcher {
 public:
  enum class Gate {
    kAnywhere,     // text that is one token wherever it stands
    kTrustedOnly,  // only where all bytes are trusted
  };
  struct Entry {
    std::string_view text;  // not empty; read during construction only
    TokenId token = 0;
    Gate gate = Gate::kTrustedOnly;
  };
  struct Match {
    TextSpan span;
    TokenId token = 0;
  };

  SpecialMatcher() = default;
  // Of entries with equal text the first wins.
  explicit SpecialMatcher(std::span<const Entry> entries);

  // All matches in text, ascending. Cost: text times the longest entry at worst, near one table
  // read per byte in ordinary text.
  std::vector<Match> FindAll(std::string_view text, std::span<const TextSpan> trusted) const;

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  // A node of the trie; its children are a chain of siblings.
  struct Node {
    uint32_t first_child = kNone;
    uint32_t next_sibling = kNone;
    uint32_t token = kNone;
    uint8_t byte = 0;
    Gate gate = Gate::kTrustedOnly;
  };
  uint32_t Child(uint32_t node, uint8_t byte) const;

  std::vector<Node> nodes_;
  std::array<uint32_t, 256> roots_ = [] {
    std::array<uint32_t, 256> none{};
    none.fill(kNone);
    return none;
  }();
};

}  // namespace infe::tokenizer
