// A text and its tokens, special ones among them: what whoever writes a whole prompt sees.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace infe::answer {

// Special tokens are read wherever their names stand.
std::vector<tokenizer::TokenId> TokensOf(const tokenizer::Tokenizer& tokenizer,
                                         std::string_view text, tokenizer::AddSpecial add_special);
// The same back: special tokens as their names, what is no UTF-8 as U+FFFD.
std::string TextOf(const tokenizer::Tokenizer& tokenizer,
                   std::span<const tokenizer::TokenId> tokens);

}  // namespace infe::answer
