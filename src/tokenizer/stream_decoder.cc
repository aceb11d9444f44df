#include "tokenizer/stream_decoder.h"

#include "base/utf8.h"

namespace infe::tokenizer {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, std::optional<TokenId> previous)
    : tokenizer_(&tokenizer), text_begins_(!previous || tokenizer.EndsText(*previous)) {}

void StreamDecoder::Append(TokenId token) {
  held_ += tokenizer_->TextBytes(token, text_begins_);
  text_begins_ = tokenizer_->EndsText(token);
}

std::string StreamDecoder::TakeComplete() {
  const size_t complete = CompleteUtf8Prefix(held_);
  std::string text = SanitizeUtf8(std::string_view(held_).substr(0, complete));
  held_.erase(0, complete);
  return text;
}

std::string StreamDecoder::Feed(TokenId token) {
  Append(token);
  return TakeComplete();
}

std::string StreamDecoder::Feed(std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) Append(token);
  return TakeComplete();
}

std::string StreamDecoder::Flush() {
  std::string text = SanitizeUtf8(held_);
  held_.clear();
  return text;
}

}  // namespace infe::tokenizer
