// SpacedBpe: what the two kinds of BPE over characters share (sentence_piece_bpe.h,
// character_bpe.h): text begins as single characters, with spaces as characters of their own, and
// what stays without a token becomes its bytes. They differ in which neighbours merge first.
//
// To keep pieces short a text is cut before a space wherever no token of the vocabulary could hold
// both the byte in front and the space; no merge can cross such a place, so the result is the same.
#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocab.h"
#include "tokenizer/word_memo.h"

namespace infe::tokenizer {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
std::string MarksToSpaces(std::string_view text);

class SpacedBpe : public PieceEncoder {
 public:
  // A U+2581 in text counts as a space: the vocabulary cannot tell them apart.
  void Encode(std::string_view text, std::vector<TokenId>& out) const final;

 protected:
  // table must outlive the encoder.
  SpacedBpe(const Vocab& vocab, const TokenTable& table);

  // Merges the characters in scratch.symbols until none do any more.
  virtual void MergeSymbols(std::string_view piece, MergeScratch& scratch) const = 0;
  // Whether a piece ends between these two bytes, whatever the spaces say.
  virtual bool Parts(char left, char right) const = 0;
  // Whether a piece that is a token is taken as it is, without asking what merges make of it.
  virtual bool IsTakenWhole(std::string_view piece) const = 0;

  const TokenTable& table_;

 private:
  size_t PieceEnd(std::string_view text, size_t at) const;
  void Merge(std::string_view piece, MergeScratch& scratch) const;
  bool IsOneToken(TokenId token, std::string_view piece, MergeScratch& scratch) const;
  void EncodePiece(std::string_view piece, MergeScratch& scratch, std::vector<TokenId>& out) const;

  std::array<TokenId, 256> byte_tokens_;  // kNoToken where the vocabulary has none
  std::optional<TokenId> unknown_;
  std::bitset<256> joins_space_;  // bytes that stand before a space inside some token
  WordMemo memo_;
};

}  // namespace infe::tokenizer
