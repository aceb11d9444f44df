// The vocabulary as a trie over bytes, built once per model and shared by all matchers: immutable
// after Build. Nodes lie depth first, so a walk is one forward scan that jumps over dead subtrees.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace infe::grammar {

// What the engine says about its vocabulary. Index = token id.
struct TokenTable {
  // The bytes that a token adds to the text. Empty: never matches by text (padding, control tokens,
  // ids that the tokenizer does not use).
  std::vector<std::string> bytes;
  std::vector<uint32_t> end_tokens;      // legal exactly where the text is complete
  std::vector<uint32_t> special_tokens;  // a grammar may ask for these by id, never by text
};

inline constexpr uint32_t kNoToken = UINT32_MAX;

class FreeStrings;

class TokenTrie {
 public:
  struct Node {
    uint32_t token = kNoToken;   // first token that ends here
    uint32_t skip_and_byte = 0;  // nodes of the subtree, itself included, << 8 | byte
    uint8_t byte() const { return static_cast<uint8_t>(skip_and_byte); }
    uint32_t skip() const { return skip_and_byte >> 8; }
  };

  // Errors: no tokens, more than 2^24 nodes, an end or special id outside the table.
  static Result<std::shared_ptr<const TokenTrie>> Build(TokenTable table);

  // nodes()[0] is the root; a node's children start behind it.
  std::span<const Node> nodes() const { return nodes_; }
  // The children of a node that has many, side by side: among the nodes they lie far from each
  // other, and most of them are looked at only to be passed over. Empty for all other nodes.
  struct Branch {
    uint32_t node = 0;
    uint32_t skip = 0;  // as Node::skip
    uint8_t byte = 0;
  };
  std::span<const Branch> Children(uint32_t node) const {
    const uint64_t word = is_wide_[node / 64];
    const uint64_t bit = uint64_t{1} << (node % 64);
    if ((word & bit) == 0) return {};
    const Wide& wide = wide_[wide_before_[node / 64] + std::popcount(word & (bit - 1))];
    return {children_.data() + wide.begin, wide.count};
  }
  std::span<const Branch> firsts() const { return {children_.data(), root_count_}; }
  // The child of a node by its byte; 0 when there is none.
  uint32_t Child(uint32_t node, uint8_t byte) const {
    if (node == 0) return root_children_[byte];
    const uint32_t end = node + nodes_[node].skip();
    uint32_t child = node + 1;
    while (child < end && nodes_[child].byte() != byte) child += nodes_[child].skip();
    return child < end ? child : 0;
  }
  uint32_t vocab_size() const { return static_cast<uint32_t>(table_.bytes.size()); }
  size_t mask_words() const { return (table_.bytes.size() + 63) / 64; }
  // Bytes as the grammar sees them: the text, or the out-of-band spelling of a special token.
  std::string_view Bytes(uint32_t token) const { return table_.bytes[token]; }
  bool IsEnd(uint32_t token) const { return is_end_[token]; }
  bool IsSpecial(uint32_t token) const { return is_special_[token]; }
  std::span<const uint32_t> end_tokens() const { return table_.end_tokens; }
  // The next token with the same bytes, kNoToken at the end of the chain. Most vocabularies have
  // none, and no table of them.
  uint32_t NextSame(uint32_t token) const {
    return next_same_.empty() ? kNoToken : next_same_[token];
  }
  size_t token_bytes_max() const { return token_bytes_max_; }

  const FreeStrings& free_strings() const { return *free_strings_; }

  // Longest match first, for tools and tests without a tokenizer. Bytes that start no token end it.
  std::vector<uint32_t> GreedyTokens(std::string_view text) const;

 private:
  void ListChildren(uint32_t node);

  TokenTable table_;
  std::vector<Node> nodes_;
  std::array<uint32_t, 256> root_children_{};
  struct Wide {
    uint32_t begin = 0;  // its children among children_
    uint32_t count = 0;
  };
  std::vector<Branch> children_;  // the root's in front
  size_t root_count_ = 0;
  std::vector<Wide> wide_;             // the nodes that have many, in order
  std::vector<uint64_t> is_wide_;      // a bit for each node
  std::vector<uint32_t> wide_before_;  // by word of is_wide_
  std::vector<uint32_t> next_same_;
  std::vector<bool> is_end_;
  std::vector<bool> is_special_;
  size_t token_bytes_max_ = 0;
  std::shared_ptr<const FreeStrings> free_strings_;  // shared only to keep the type incomplete here
};

// The out-of-band spelling of special token id: FF and three bytes of the id, most significant
// first. FF begins no UTF-8 text, so no text of a token can be taken for it.
std::string SpecialBytes(uint32_t token);

}  // namespace infe::grammar
