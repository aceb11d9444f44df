// What the readers of grammar notations (GBNF, Lark) have in common: a text, where they are in it,
// and errors that name the line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"

namespace infe::grammar {

class GrammarText {
 protected:
  explicit GrammarText(std::string_view text) : text_(text) {}

  size_t Line() const {
    return 1 + static_cast<size_t>(std::ranges::count(text_.substr(0, at_), '\n'));
  }
  Error Bad(std::string_view what) const {
    return InvalidArgument(fmt::format("grammar, line {}: {}", Line(), what));
  }
  // A bound is passed; what says which.
  Error TooMuch(std::string_view what) const {
    return ResourceExhausted(fmt::format("grammar, line {}: {}", Line(), what));
  }
  // A pattern in the grammar is refused.
  Error InPattern(Error error) const {
    error.message = fmt::format("grammar, line {}: {}", Line(), error.message);
    return error;
  }
  bool Take(std::string_view what) {
    if (text_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }
  // NUL beyond the end.
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace infe::grammar
