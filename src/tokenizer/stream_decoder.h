// StreamDecoder: the text of tokens as they come. What it returns never ends inside a character:
// the bytes of an unfinished one are held back until the token that completes it, or until Flush.
// Malformed bytes come out as U+FFFD. One decoder belongs to one sequence and one thread.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "tokenizer/tokenizer.h"

namespace infe::tokenizer {

class StreamDecoder {
 public:
  // previous: the token before the first one fed, if there is one (a prompt's last token). It
  // decides whether a model with add_space_prefix begins its text with a space that is not part of
  // it. tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer, std::optional<TokenId> previous = {});

  // Well-formed UTF-8, possibly empty.
  std::string Feed(TokenId token);
  std::string Feed(std::span<const TokenId> tokens);
  // The end: what was held back, malformed, as U+FFFD. The decoder is then as new, mid-text.
  std::string Flush();
  // Bytes held back, fewer than four.
  size_t held_bytes() const { return held_.size(); }

 private:
  void Append(TokenId token);
  std::string TakeComplete();

  const Tokenizer* tokenizer_;  // not null
  std::string held_;
  bool text_begins_;  // the next token's first space may be the prefix
};

}  // namespace infe::tokenizer
