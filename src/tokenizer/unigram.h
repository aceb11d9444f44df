// Unigram: SentencePiece's other kind, as in XLM-RoBERTa's line (BGE-M3, multilingual E5). Of all
// ways to spell a word by tokens the one whose scores, logarithms of probabilities, have the
// largest sum. Text is mapped first (char_map.h), runs of spaces become one, and one stands in
// front. What no token spells is the unknown token, a run of it once. Kudo 2018.
//
// A word goes with the space before it, and words are spelled one by one: no token of these
// vocabularies reaches from one into the next, and where one would, the words stay together.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/char_map.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocab.h"

namespace infe::tokenizer {

class Unigram final : public PieceEncoder {
 public:
  // table must outlive the encoder. Errors: kCorrupt if there is not a score for each token, or no
  // unknown token.
  static Result<std::unique_ptr<PieceEncoder>> Create(const Vocab& vocab, const TokenTable& table);

  void Encode(std::string_view text, std::vector<TokenId>& out) const override;

 private:
  // Tokens that begin with the same bytes stand together.
  struct Range {
    uint32_t begin = 0, end = 0;  // into sorted_
  };
  static constexpr TokenId kNoWay = UINT32_MAX;
  // The best way to spell a word up to a byte of it.
  struct Node {
    float score = 0;
    uint32_t from = 0;
    TokenId token = kNoWay;
  };

  Unigram(const Vocab& vocab, const TokenTable& table, CharMap map);
  std::string Normalise(std::string_view text) const;
  size_t WordEnd(std::string_view text, size_t at) const;
  void EncodeWord(std::string_view word, std::vector<Node>& nodes, std::vector<TokenId>& out) const;
  // Calls each(length, token) for the tokens that `text` begins with, the shortest first.
  template <typename Each>
  void ForTokens(std::string_view text, const Each& each) const;

  const TokenTable& table_;
  const CharMap map_;
  const TokenId unknown_;
  const bool one_space_;  // runs of spaces become one, and none stands at either end
  const bool space_prefix_;
  std::vector<float> scores_;
  float unknown_score_ = 0;
  std::vector<TokenId> sorted_;   // normal tokens by their bytes
  std::vector<Range> by_byte_;    // of their first bytes: [256]
  std::bitset<256> joins_space_;  // bytes that some token has before a space
};

}  // namespace infe::tokenizer
