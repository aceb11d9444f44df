#include "answer/choice_scores.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace infe::answer {
namespace {

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

ChoiceScores::ChoiceScores(const tokenizer::Tokenizer& tokenizer, tokenizer::TokenId prompt_end,
                           uint32_t scored_prompt)
    : tokenizer_(tokenizer),
      decoder_(tokenizer, scored_prompt > 0 ? std::nullopt : std::optional(prompt_end)),
      prompt_left_(scored_prompt),
      first_is_prompt_(scored_prompt > 0) {}

TokenScore::Candidate ChoiceScores::Name(tokenizer::TokenId id, float logprob) const {
  const bool control = tokenizer_.IsControl(id);
  return {control ? tokenizer_.TokenText(id) : std::string(tokenizer_.TokenBytes(id)), control,
          logprob};
}

void ChoiceScores::Append(std::span<const engine::SampledToken> tokens, TokenScores& scores) {
  for (const engine::SampledToken& token : tokens) {
    TokenScore& score = scores.emplace_back();
    // Nothing precedes a prompt's first token, so nothing foretells it.
    score.has_logprob = !std::exchange(first_is_prompt_, false);
    score.token = Name(token.token, token.logprob);
    for (const engine::TokenLogprob& top : token.top)
      score.top.push_back(Name(top.token, top.logprob));
    score.text_offset = offset_;
    offset_ += CountCharacters(decoder_.Feed(token.token));
    if (prompt_left_ > 0 && --prompt_left_ == 0) offset_ += CountCharacters(decoder_.Flush());
  }
}

}  // namespace infe::answer
