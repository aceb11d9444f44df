// ByteLevelBpe: GPT-2's tokenizer and its many descendants. Text is cut by a pre-tokenizer; each
// piece begins as single bytes, and pairs merge by the rank of their rule. Sennrich et al. 2016.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/merge.h"
#include "tokenizer/piece_encoder.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_table.h"
#include "tokenizer/vocab.h"
#include "tokenizer/word_memo.h"

namespace infe::tokenizer {

// From a pair of tokens to the rule that merges them: open addressing, at most two thirds full.
class MergeTable {
 public:
  explicit MergeTable(size_t rules_max);
  // The first rule of a pair keeps it.
  void Insert(TokenId left, TokenId right, MergeStep step);
  MergeStep Find(TokenId left, TokenId right) const;

 private:
  struct Slot {
    uint64_t key;
    MergeStep step;
  };
  size_t FirstSlot(uint64_t key) const;
  std::vector<Slot> slots_;
};

class ByteLevelBpe final : public PieceEncoder {
 public:
  // table must outlive the encoder. Errors: kUnsupported for an unknown pre-tokenizer, kCorrupt for
  // merges that are no pairs or name tokens that do not exist.
  static Result<std::unique_ptr<PieceEncoder>> Create(const Vocab& vocab, const TokenTable& table);

  void Encode(std::string_view text, std::vector<TokenId>& out) const override;

 private:
  ByteLevelBpe(const TokenTable& table, const PreTokenizerSpec& spec, size_t rules_max);
  // Merges a piece; the result stands in scratch.symbols.
  void Merge(std::string_view piece, MergeScratch& scratch) const;
  bool IsOneToken(TokenId token, std::string_view piece, MergeScratch& scratch) const;

  const TokenTable& table_;
  PreTokenizer pre_tokenizer_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_tokens_;  // kNoToken: the vocabulary lacks the byte
  bool vocabulary_first_;                 // PreTokenizerSpec::vocabulary_first
  WordMemo memo_;
};

}  // namespace infe::tokenizer
