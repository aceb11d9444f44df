#include "answer/choice_text.h"

#include <algorithm>

namespace infe::answer {

ChoiceText::ChoiceText(const tokenizer::Tokenizer& tokenizer, tokenizer::TokenId previous,
                       std::vector<std::string> stops, bool keep_tokens,
                       std::span<const MarkerToken> shown)
    : decoder_(tokenizer, previous),
      shown_(shown),
      stop_(std::move(stops)),
      keep_tokens_(keep_tokens) {}

std::string ChoiceText::Decode(tokenizer::TokenId token) {
  std::string text = decoder_.Feed(token);
  for (const MarkerToken& marker : shown_)
    if (marker.token == token) text += decoder_.Flush() + marker.name;
  return text;
}

TextPiece ChoiceText::Feed(const engine::SampledToken& token) {
  if (stopped()) return {};
  ++tokens_used_;
  const std::string decoded = Decode(token.token);
  decoded_bytes_ += decoded.size();
  if (keep_tokens_) waiting_.push_back({token, decoded_bytes_ + decoder_.held_bytes()});
  return Release(stop_.Feed(decoded));
}

TextPiece ChoiceText::Finish() {
  std::string shown;
  if (!stopped()) {
    const std::string decoded = decoder_.Flush();
    decoded_bytes_ += decoded.size();
    shown = stop_.Feed(decoded);
    shown += stop_.Flush();
  }
  all_shown_ = !stopped();
  return Release(std::move(shown));
}

TextPiece ChoiceText::Release(std::string shown) {
  shown_bytes_ += shown.size();
  return {std::move(shown)};
}

std::vector<engine::SampledToken> ChoiceText::TakeTokens(size_t kept_back) {
  std::vector<engine::SampledToken> tokens;
  const size_t end = shown_bytes_ - std::min(shown_bytes_, kept_back);
  // Malformed bytes at the very end may have changed length: their tokens still belong to the text.
  const bool all = all_shown_ && kept_back == 0;
  while (!waiting_.empty() && (all || waiting_.front().text_end <= end)) {
    tokens.push_back(std::move(waiting_.front().token));
    waiting_.pop_front();
  }
  return tokens;
}

}  // namespace infe::answer
