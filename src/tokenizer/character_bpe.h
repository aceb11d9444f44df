// CharacterBpe: BPE by the rank of merges, as byte-level BPE, but over characters, with U+2581 for
// a space and byte fallback, as SentencePiece's: Gemma 4. Text is cut only between newlines and
// what is no newline; a run of newlines that is a token stays whole.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "tokenizer/byte_level_bpe.h"
#include "tokenizer/spaced_bpe.h"

namespace infe::tokenizer {

class CharacterBpe final : public SpacedBpe {
 public:
  // table must outlive the encoder. Errors: kCorrupt for merges that are no pairs or name tokens
  // that do not exist.
  static Result<std::unique_ptr<PieceEncoder>> Create(const Vocab& vocab, const TokenTable& table);

 private:
  CharacterBpe(const Vocab& vocab, const TokenTable& table);
  void MergeSymbols(std::string_view piece, MergeScratch& scratch) const override;
  bool Parts(char left, char right) const override { return (left == '\n') != (right == '\n'); }
  bool IsTakenWhole(std::string_view piece) const override { return piece[0] == '\n'; }

  MergeTable merges_;
};

}  // namespace infe::tokenizer
