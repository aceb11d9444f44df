// SentencePieceBpe: SentencePiece's BPE with byte fallback, as in Llama 2, Phi-3 and Gemma. Text
// begins as single characters with spaces as characters of their own; two neighbours merge if their
// joined text is a token, best score first. A character that stays without a token becomes its
// bytes. Kudo & Richardson 2018.
// There is no pre-tokenizer: a text is one piece, but for the cuts of spaced_bpe.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/spaced_bpe.h"

namespace infe::tokenizer {

class SentencePieceBpe final : public SpacedBpe {
 public:
  // table must outlive the encoder. Errors: kCorrupt if there is not a score for each token.
  static Result<std::unique_ptr<PieceEncoder>> Create(const Vocab& vocab, const TokenTable& table);

 private:
  SentencePieceBpe(const Vocab& vocab, const TokenTable& table);
  void MergeSymbols(std::string_view piece, MergeScratch& scratch) const override;
  bool Parts(char, char) const override { return false; }
  bool IsTakenWhole(std::string_view) const override { return false; }

  std::vector<uint32_t> ranks_;  // per token: its place by falling score; equal scores share
};

}  // namespace infe::tokenizer
