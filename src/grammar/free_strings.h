// What the vocabulary does inside a JSON string that may hold anything: worked out once per
// vocabulary, because most masks of most grammars are this one or differ from it by a few tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/lexeme.h"

namespace infe::grammar {

class TokenTrie;

// The rests of some tokens behind a place where they all pass, as a trie of its own. A node's token
// is an index into lists.
struct RestTrie {
  struct Node {
    uint32_t list = UINT32_MAX;
    uint32_t skip_and_byte = 0;
  };
  std::vector<Node> nodes;                   // as TokenTrie lays them out
  std::vector<std::vector<uint32_t>> lists;  // tokens that end at a node
};

struct FreeString {
  // Tokens that close the string after so many characters: those that end with the quote, and the
  // rests of the others.
  struct Closing {
    std::vector<uint32_t> tokens;
    RestTrie rest;
  };
  std::vector<uint64_t> stays;               // tokens that stay inside
  std::vector<std::vector<uint64_t>> up_to;  // of these, by the most characters that they add
  std::vector<Closing> closings;             // by characters before the quote
  Closing all_closings;
  std::vector<uint64_t> touched;  // the nodes of all tokens above, a bit each
  uint32_t chars_max = 0;         // of any of them

  // Tokens of more characters than up_to covers, with their characters.
  std::vector<std::pair<uint32_t, uint32_t>> long_tokens;
};

class FreeStrings {
 public:
  explicit FreeStrings(const TokenTrie& trie);
  const FreeString& Get(Spelling spelling) const {
    return spelling == Spelling::kJsonString ? full_ : canonical_;
  }

 private:
  FreeString full_;
  FreeString canonical_;
};

}  // namespace infe::grammar
