// Template text to tokens, with jinja2's rules for whitespace: trim_blocks (the newline after a
// block tag goes), lstrip_blocks (blanks before a block tag on its own line go), `-` and `+` marks,
// raw blocks, comments, one trailing newline dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace infe::jinja {

enum class TokenKind : uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,  // text holds it
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t line = 1;
  std::string text;  // data, name, operator, decoded string
  Value number;      // of kInteger and kFloat
};

// Throws TemplateError. The last token is kEnd.
std::vector<Token> Tokenize(std::string_view source);

// Error text with the line: "line 3: ...".
[[noreturn]] void FailAt(uint32_t line, const std::string& message);

}  // namespace infe::jinja
