// The text of one choice: sampled tokens in, showable text out. Decodes (never half a character),
// watches the texts that end the model's turn, and keeps each token's logprobs together with the
// text they belong to.
// One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "answer/marker_tokens.h"
#include "answer/stop_matcher.h"
#include "engine/request.h"
#include "tokenizer/stream_decoder.h"

namespace infe::answer {

struct TextPiece {
  std::string text = {};  // may be empty
};

class ChoiceText {
 public:
  // previous: the prompt's last token. keep_tokens: for TakeTokens. shown: control tokens whose
  // names belong to the text; outlive the object.
  ChoiceText(const tokenizer::Tokenizer& tokenizer, tokenizer::TokenId previous,
             std::vector<std::string> stops, bool keep_tokens,
             std::span<const MarkerToken> shown = {});

  // What may be shown after this token. Nothing once stopped().
  TextPiece Feed(const engine::SampledToken& token);
  // The end of the choice: what was held back.
  TextPiece Finish();
  // The tokens, if they are kept, whose text ends before the last `kept_back` bytes of what was
  // returned and that were not taken yet.
  std::vector<engine::SampledToken> TakeTokens(size_t kept_back);
  // A stop string was met: the caller ends the generation. tokens_used() counts the tokens up to
  // it.
  bool stopped() const { return stop_.found(); }
  // Of `stops`: which. Empty unless stopped().
  std::optional<size_t> stop_met() const { return stop_.matched(); }
  // A token without text was used.
  void Count() { ++tokens_used_; }
  uint32_t tokens_used() const { return tokens_used_; }

 private:
  TextPiece Release(std::string shown);

  std::string Decode(tokenizer::TokenId token);

  tokenizer::StreamDecoder decoder_;
  const std::span<const MarkerToken> shown_;
  StopMatcher stop_;
  const bool keep_tokens_;
  uint32_t tokens_used_ = 0;
  size_t decoded_bytes_ = 0;  // all text that left the decoder
  size_t shown_bytes_ = 0;    // all text that was returned
  bool all_shown_ = false;    // the end without a stop: what is malformed may have changed length
  struct Waiting {
    engine::SampledToken token;
    size_t text_end;  // shown with the text that reaches this byte
  };
  std::deque<Waiting> waiting_;
};

}  // namespace infe::answer
