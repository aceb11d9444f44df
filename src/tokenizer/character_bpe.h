// CharacterBpe: BPE by the rank of merges, as byte-level BPE, but over characters, with U+2581 for
// a space and byte fallback, as SentencePiece's: Gemma 4. Text is cut only between newlines and
// what is no newline; a run of newlines that is a token stays whole.
//
// To keep pieces short a text is cut before a space wherever no token of the vocabulary could hold
// both the byte in front and the space (sentence_piece_bpe.h).
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/byte_level_bpe.h"
#include "tokenizer/merge.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocab.h"
#include "tokenizer/word_memo.h"

namespace infe::tokenizer {

class CharacterBpe final : public PieceEncoder {
 public:
  // table must outlive the encoder. Errors: kCorrupt for merges that are no pairs or name tokens
  // that do not exist.
  static Result<std::unique_ptr<PieceEncoder>> Create(const Vocab& vocab, const TokenTable& table);

  // A U+2581 in text counts as a space.
  void Encode(std::string_view text, std::vector<TokenId>& out) const override;

 private:
  CharacterBpe(const Vocab& vocab, const TokenTable& table);
  size_t PieceEnd(std::string_view text, size_t at) const;
  void Merge(std::string_view piece, MergeScratch& scratch) const;
  bool IsOneToken(TokenId token, std::string_view piece, MergeScratch& scratch) const;
  void EncodePiece(std::string_view piece, MergeScratch& scratch, std::vector<TokenId>& out) const;

  const TokenTable& table_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_tokens_;  // kNoToken where the vocabulary has none
  std::optional<TokenId> unknown_;
  std::bitset<256> joins_space_;  // bytes that stand before a space inside some token
  WordMemo memo_;
};

}  // namespace infe::tokenizer
