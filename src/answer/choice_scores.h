// One choice's tokens to scores: bytes, probabilities, and where in the choice's text each stands.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "answer/event.h"
#include "engine/request.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace infe::answer {

class ChoiceScores {
 public:
  // tokenizer outlives the object. prompt_end: the prompt's last token. scored_prompt: so many
  // tokens of the prompt come first, as they are part of the choice's text; 0: none.
  ChoiceScores(const tokenizer::Tokenizer& tokenizer, tokenizer::TokenId prompt_end,
               uint32_t scored_prompt);

  // Appends to `scores` (a buffer that its caller gives out piece by piece).
  void Append(std::span<const engine::SampledToken> tokens, TokenScores& scores);
  // All of the prompt has been appended.
  bool prompt_done() const { return prompt_left_ == 0; }

 private:
  TokenScore::Candidate Name(tokenizer::TokenId id, float logprob) const;

  const tokenizer::Tokenizer& tokenizer_;
  tokenizer::StreamDecoder decoder_;
  uint32_t prompt_left_;
  bool first_is_prompt_;
  int64_t offset_ = 0;
};

}  // namespace infe::answer
