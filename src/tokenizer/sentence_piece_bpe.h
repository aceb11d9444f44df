// SentencePieceBpe: SentencePiece's BPE with byte fallback, as in Llama 2, Phi-3 and Gemma. Text
// begins as single characters with spaces as characters of their own; two neighbours merge if their
// joined text is a token, best score first. A character that stays without a token becomes its
// bytes. Kudo & Richardson 2018.
//
// There is no pre-tokenizer: a text is one piece. To keep pieces short it is cut before a space
// wherever no token of the vocabulary could hold both the byte in front and the space; no merge can
// cross such a place, so the result is the same.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/merge.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocab.h"
#include "tokenizer/word_memo.h"

namespace infe::tokenizer {

class SentencePieceBpe final : public PieceEncoder {
 public:
  // table must outlive the encoder. Errors: kCorrupt if there is not a score for each token.
  static Result<std::unique_ptr<PieceEncoder>> Create(const Vocab& vocab, const TokenTable& table);

  // A U+2581 in text counts as a space: the vocabulary cannot tell them apart.
  void Encode(std::string_view text, std::vector<TokenId>& out) const override;

 private:
  SentencePieceBpe(const Vocab& vocab, const TokenTable& table);
  size_t PieceEnd(std::string_view text, size_t at) const;
  void Merge(std::string_view piece, MergeScratch& scratch) const;
  bool IsOneToken(TokenId token, std::string_view piece, MergeScratch& scratch) const;
  void EncodePiece(std::string_view piece, MergeScratch& scratch, std::vector<TokenId>& out) const;

  const TokenTable& table_;
  std::vector<uint32_t> ranks_;  // per token: its place by falling score; equal scores share
  std::array<TokenId, 256> byte_tokens_;  // kNoToken where the vocabulary has none
  std::optional<TokenId> unknown_;
  std::bitset<256> joins_space_;  // bytes that stand before a space inside some token
  WordMemo memo_;
};

}  // namespace infe::tokenizer
