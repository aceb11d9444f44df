// PieceEncoder: text without special tokens to ids. One implementation per family of tokenizers.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::tokenizer {

class PieceEncoder {
 public:
  virtual ~PieceEncoder() = default;
  // Appends the tokens of text. Any bytes; REQUIRES: fewer than 2^32. Thread-safe.
  virtual void Encode(std::string_view text, std::vector<TokenId>& out) const = 0;
};

}  // namespace infe::tokenizer
