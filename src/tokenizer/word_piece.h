// WordPiece as BERT's line uses it. Text is cleaned (control characters go; letters become small
// ones without their marks where the vocabulary asks for it) and falls into words: at white space,
// and every punctuation mark and CJK ideograph is a word of its own. A word is spelled from left to
// right by the longest token each time: the first stands in the vocabulary with a space in front,
// the others bare. A word that cannot be spelled to its end is the unknown token as a whole. Wu et
// al. 2016; the cleaning is that of Devlin et al.'s released code.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocab.h"

namespace infe::tokenizer {

class WordPiece final : public PieceEncoder {
 public:
  // table must outlive the encoder. Errors: kCorrupt if the vocabulary has no unknown token.
  static Result<std::unique_ptr<PieceEncoder>> Create(const Vocab& vocab, const TokenTable& table);

  void Encode(std::string_view text, std::vector<TokenId>& out) const override;

 private:
  WordPiece(const Vocab& vocab, const TokenTable& table)
      : table_(table), unknown_(*vocab.unknown), lowercase_(vocab.lowercase) {}
  // word: a space, then the word, of so many characters.
  void EncodeWord(std::string_view word, size_t characters, std::vector<TokenId>& out) const;

  const TokenTable& table_;
  const TokenId unknown_;
  const bool lowercase_;
};

}  // namespace infe::tokenizer
