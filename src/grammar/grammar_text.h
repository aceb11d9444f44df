// What the readers of grammar notations (GBNF, Lark) have in common: a text, where they are in it,
// and errors that name the line.
#pragma once

#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"

namespace infe::grammar {

class GrammarText {
 protected:
  explicit GrammarText(std::string_view text) : text_(text) {}

  Error Bad(std::string_view what) const {
    size_t line = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
    return InvalidArgument(fmt::format("grammar, line {}: {}", line, what));
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
