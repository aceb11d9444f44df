// Fill-in-the-middle: what is put before, between and behind the two texts that an answer is to
// stand between. Code models learnt it with tokens of their own.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace infe::answer {

// As a model file names them; what it leaves out is looked for by the names that models use.
struct FillInIds {
  std::optional<tokenizer::TokenId> prefix = {}, suffix = {}, middle = {};
};

// The tokens of a model that can: prefix, its text, suffix, its text, middle; or, where there is no
// `middle`, suffix, its text, prefix, its text.
struct FillIn {
  tokenizer::TokenId prefix = 0, suffix = 0;
  std::optional<tokenizer::TokenId> middle = {};
};

// nullopt: the model has not learnt it.
std::optional<FillIn> FindFillIn(const tokenizer::Tokenizer& tokenizer, const FillInIds& ids);

// The prompt whose answer belongs between the texts. No special token is read in them.
std::vector<tokenizer::TokenId> EncodeFillIn(const tokenizer::Tokenizer& tokenizer,
                                             const FillIn& tokens, std::string_view before,
                                             std::string_view behind);

}  // namespace infe::answer
