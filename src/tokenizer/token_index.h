// TokenIndex: from bytes to the token that is exactly these bytes. An open-addressing table of ids
// whose strings live elsewhere; 8 bytes a slot, at most two thirds full.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::tokenizer {

// Mixes eight bytes at a time. The table's strings come from a model and are fixed, so text chosen
// to collide meets only the clusters that are there.
inline uint64_t HashBytes(std::string_view text) {
  uint64_t hash = 0x9E3779B97F4A7C15ull ^ text.size();
  const char* data = text.data();
  size_t left = text.size();
  while (left > 0) {
    uint64_t word = 0;
    const size_t count = left < 8 ? left : 8;
    std::memcpy(&word, data, count);
    hash = (hash ^ word) * 0xD6E8FEB86659FD93ull;
    hash ^= hash >> 32;
    data += count;
    left -= count;
  }
  hash *= 0xD6E8FEB86659FD93ull;
  return hash ^ hash >> 29;
}

class TokenIndex {
 public:
  TokenIndex() : slots_(1) {}
  explicit TokenIndex(size_t tokens_max) : slots_(std::bit_ceil(tokens_max + tokens_max / 2 + 1)) {}

  // The first token added for a text keeps it. text_of(id) gives a token's bytes. REQUIRES: at most
  // tokens_max insertions.
  template <typename TextOf>
  void Insert(TokenId token, const TextOf& text_of) {
    const std::string_view text = text_of(token);
    const uint64_t hash = HashBytes(text);
    size_t at = hash & Mask();
    while (slots_[at].id_plus_one != 0) {
      if (slots_[at].tag == Tag(hash) && text_of(slots_[at].id_plus_one - 1) == text) return;
      at = (at + 1) & Mask();
    }
    slots_[at] = {Tag(hash), token + 1};
  }

  template <typename TextOf>
  std::optional<TokenId> Find(std::string_view text, const TextOf& text_of) const {
    const uint64_t hash = HashBytes(text);
    size_t at = hash & Mask();
    while (slots_[at].id_plus_one != 0) {
      const TokenId token = slots_[at].id_plus_one - 1;
      if (slots_[at].tag == Tag(hash) && text_of(token) == text) return token;
      at = (at + 1) & Mask();
    }
    return std::nullopt;
  }

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t id_plus_one = 0;  // 0: empty
  };
  static uint32_t Tag(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  size_t Mask() const { return slots_.size() - 1; }

  std::vector<Slot> slots_;  // a power of two
};

}  // namespace infe::tokenizer
