#include "answer/token_text.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tokenizer/tiny_vocab.h"

namespace infe::answer {
namespace {

TEST(TokenText, SpecialTokensGoThereAndBack) {
  const auto tokenizer = *tokenizer::Tokenizer::Create(tokenizer::TinyByteLevelVocab());
  const std::string text = "hello<|im_start|> the\xC3\xA9<|im_end|>";
  const auto tokens = TokensOf(*tokenizer, text, tokenizer::AddSpecial::kNever);
  EXPECT_EQ(std::ranges::count(tokens, *tokenizer->Find("<|im_start|>")), 1);
  EXPECT_EQ(TextOf(*tokenizer, tokens), text);
}

TEST(TokenText, HalfACharacterIsMendedAndStaysInItsPlace) {
  const auto tokenizer = *tokenizer::Tokenizer::Create(tokenizer::TinyByteLevelVocab());
  const auto end = *tokenizer->eos();
  EXPECT_EQ(TextOf(*tokenizer, std::vector<tokenizer::TokenId>{'a', 0xC3, end, 'b'}),
            "a\xEF\xBF\xBD<|im_end|>b");
}

}  // namespace
}  // namespace infe::answer
