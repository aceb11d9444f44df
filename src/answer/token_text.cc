#include "answer/token_text.h"

#include "tokenizer/stream_decoder.h"

namespace infe::answer {

std::vector<tokenizer::TokenId> TokensOf(const tokenizer::Tokenizer& tokenizer,
                                         std::string_view text, tokenizer::AddSpecial add_special) {
  return tokenizer.Encode(text,
                          {.special = tokenizer::SpecialTokens::kAll, .add_special = add_special});
}

std::string TextOf(const tokenizer::Tokenizer& tokenizer,
                   std::span<const tokenizer::TokenId> tokens) {
  tokenizer::StreamDecoder decoder(tokenizer);
  std::string text;
  for (const tokenizer::TokenId token : tokens) {
    if (tokenizer.IsControl(token)) text += decoder.Flush() + tokenizer.TokenText(token);
    text += decoder.Feed(token);
  }
  return text + decoder.Flush();
}

}  // namespace infe::answer
