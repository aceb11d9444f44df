#include "jinja/lexer.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/error.h"
#include "jinja/format.h"
#include "jinja/unicode.h"

namespace infe::jinja {
namespace {

bool IsAsciiDigit(char c) {
  return c >= '0' && c <= '9';
}

// \r\n and \r become \n; one newline at the very end goes.
std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)), text_(source_) {}

  std::vector<Token> Run() {
    while (at_ < text_.size()) Root();
    Add(TokenKind::kEnd, {});
    return std::move(tokens_);
  }

 private:
  void Root();
  void Raw();
  void Comment();
  void Tag(bool is_block);
  bool TagEnd(bool is_block);
  void TagToken();
  void Number();
  void String();
  void Operator();
  std::string DecodeString(std::string_view body) const;

  bool Starts(size_t at, std::string_view what) const {
    return text_.substr(std::min(at, text_.size()), what.size()) == what;
  }
  size_t SkipSpace(size_t at) const {
    while (at < text_.size()) {
      size_t next = at;
      if (!IsSpace(DecodeUtf8(text_, next))) break;
      at = next;
    }
    return at;
  }
  // The length of text without its trailing whitespace.
  static size_t StrippedLength(std::string_view text) {
    size_t length = text.size();
    while (length > 0) {
      size_t begin = length - 1;
      while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
      size_t at = begin;
      if (!IsSpace(DecodeUtf8(text, at))) break;
      length = begin;
    }
    return length;
  }
  // `data` as it is printed before a tag that is marked with `sign` (0: not marked).
  std::string_view LeftStripped(std::string_view data, char sign, bool is_variable) const {
    if (sign == '-') return data.substr(0, StrippedLength(data));
    if (sign == '+' || is_variable) return data;
    const size_t newline = data.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line == 0 && !line_starting_) return data;
    return StrippedLength(data) <= line ? data.substr(0, line) : data;
  }
  // Moves to `end`, counting lines.
  void Advance(size_t end) {
    line_ +=
        static_cast<uint32_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    if (end > at_) line_starting_ = text_[end - 1] == '\n';
    at_ = end;
  }
  void Add(TokenKind kind, std::string text) {
    tokens_.push_back({kind, line_, std::move(text), {}});
  }

  const std::string source_;
  const std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;  // the last match ended with a newline, or nothing was matched yet
  std::string open_;           // the closing brackets awaited, innermost last
  std::vector<Token> tokens_;
};

char SignAt(std::string_view text, size_t at) {
  return at < text.size() && (text[at] == '-' || text[at] == '+') ? text[at] : '\0';
}

// One stretch of data and the tag behind it.
void Lexer::Root() {
  size_t open = at_;
  for (;; ++open) {
    open = text_.find('{', open);
    if (open == std::string_view::npos) {
      Add(TokenKind::kData, std::string(text_.substr(at_)));
      return Advance(text_.size());
    }
    if (open + 1 < text_.size() &&
        (text_[open + 1] == '%' || text_[open + 1] == '{' || text_[open + 1] == '#'))
      break;
  }
  const std::string_view data = text_.substr(at_, open - at_);
  const char type = text_[open + 1];
  const char sign = SignAt(text_, open + 2);
  const std::string_view printed = LeftStripped(data, sign, type == '{');
  if (!printed.empty()) Add(TokenKind::kData, std::string(printed));
  const size_t after = open + 2 + (sign != '\0' ? 1 : 0);
  if (type == '%') {
    // {% raw %} is decided here, because what follows is no tag.
    const size_t word = SkipSpace(after);
    const size_t end = SkipSpace(word + 3);
    if (Starts(word, "raw") && (Starts(end, "%}") || Starts(end, "-%}"))) {
      Advance(Starts(end, "%}") ? end + 2 : SkipSpace(end + 3));
      return Raw();
    }
  }
  Advance(after);
  if (type == '#') return Comment();
  Add(type == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, {});
  Tag(type == '%');
}

void Lexer::Raw() {
  if (at_ == text_.size()) return;  // as with comments
  for (size_t open = at_; (open = text_.find("{%", open)) != std::string_view::npos; ++open) {
    const char sign = SignAt(text_, open + 2);
    const size_t word = SkipSpace(open + 2 + (sign != '\0' ? 1 : 0));
    if (!Starts(word, "endraw")) continue;
    size_t end = SkipSpace(word + 6);
    if (Starts(end, "+%}")) {
      end += 3;
    } else if (Starts(end, "-%}")) {
      end = SkipSpace(end + 3);
    } else if (Starts(end, "%}")) {
      end += 2;
      if (Starts(end, "\n")) ++end;
    } else {
      continue;
    }
    const std::string_view printed = LeftStripped(text_.substr(at_, open - at_), sign, false);
    if (!printed.empty()) Add(TokenKind::kData, std::string(printed));
    return Advance(end);
  }
  FailAt(line_, "Missing end of raw directive");
}

void Lexer::Comment() {
  if (at_ == text_.size()) return;  // jinja2 lets a comment pass that the very end opens
  const size_t close = text_.find("#}", at_);
  if (close == std::string_view::npos) FailAt(line_, "Missing end of comment tag");
  const char sign = close > at_ ? SignAt(text_, close - 1) : '\0';
  size_t end = close + 2;
  if (sign == '-') {
    end = SkipSpace(end);
  } else if (sign == '\0' && Starts(end, "\n")) {
    ++end;
  }
  Advance(end);
}

bool Lexer::TagEnd(bool is_block) {
  const std::string_view close = is_block ? "%}" : "}}";
  if (Starts(at_, "-") && Starts(at_ + 1, close)) {
    const size_t end = SkipSpace(at_ + 3);
    Add(is_block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, {});
    Advance(end);
    return true;
  }
  size_t end = at_;
  if (is_block && Starts(at_, "+") && Starts(at_ + 1, close)) {
    end = at_ + 3;
  } else if (Starts(at_, close)) {
    end = at_ + 2;
    if (is_block && Starts(end, "\n")) ++end;
  } else {
    return false;
  }
  Add(is_block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, {});
  Advance(end);
  return true;
}

void Lexer::Tag(bool is_block) {
  while (at_ < text_.size()) {
    if (open_.empty() && TagEnd(is_block)) return;
    TagToken();
  }
  open_.clear();
}

void Lexer::TagToken() {
  const size_t space = SkipSpace(at_);
  if (space > at_) return Advance(space);
  const char c = text_[at_];
  if (IsAsciiDigit(c)) return Number();
  if (c == '\'' || c == '"') return String();
  size_t end = at_;
  if (IsIdentifierStart(DecodeUtf8(text_, end))) {
    while (end < text_.size()) {
      size_t next = end;
      if (!IsIdentifierPart(DecodeUtf8(text_, next))) break;
      end = next;
    }
    Add(TokenKind::kName, std::string(text_.substr(at_, end - at_)));
    return Advance(end);
  }
  Operator();
}

// Digits with single underscores between them; returns the end.
size_t DigitsEnd(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() &&
         (IsAsciiDigit(text[end]) ||
          (end > at && text[end] == '_' && end + 1 < text.size() && IsAsciiDigit(text[end + 1]))))
    ++end;
  return end;
}

void Lexer::Number() {
  const size_t whole = DigitsEnd(text_, at_);
  size_t end = whole;
  bool is_float = false;
  if (at_ == 0 || text_[at_ - 1] != '.') {
    if (Starts(end, ".") && DigitsEnd(text_, end + 1) > end + 1) {
      end = DigitsEnd(text_, end + 1);
      is_float = true;
    }
    if (end < text_.size() && (text_[end] | 0x20) == 'e') {
      size_t digits = end + 1;
      if (SignAt(text_, digits) != '\0') ++digits;
      if (DigitsEnd(text_, digits) > digits) {
        end = DigitsEnd(text_, digits);
        is_float = true;
      }
    }
  }
  Token token{is_float ? TokenKind::kFloat : TokenKind::kInteger, line_, {}, {}};
  if (!is_float) {
    // 0x, 0o, 0b; then decimals, which begin with 1-9 or are zeros.
    const char prefix = whole == at_ + 1 && text_[at_] == '0' && whole < text_.size()
                            ? static_cast<char>(text_[whole] | 0x20)
                            : '\0';
    const auto is_digit = [&](char c) {
      if (prefix == 'x') return std::isxdigit(static_cast<unsigned char>(c)) != 0;
      return c >= '0' && c <= (prefix == 'o' ? '7' : '1');
    };
    if (prefix == 'x' || prefix == 'o' || prefix == 'b') {
      size_t digits = whole + 1;
      while (digits < text_.size() &&
             (is_digit(text_[digits]) ||
              (text_[digits] == '_' && digits + 1 < text_.size() && is_digit(text_[digits + 1]))))
        ++digits;
      if (digits > whole + 1) end = digits;
    } else if (text_[at_] == '0') {
      end = at_;
      while (end < whole && (text_[end] == '0' || (text_[end] == '_' && text_[end + 1] == '0')))
        ++end;
    }
  }
  const std::string_view text = text_.substr(at_, end - at_);
  if (is_float) {
    token.number = Value::Float(ParsePythonFloat(text).value_or(0));
  } else {
    std::optional<Value> value = ParsePythonInt(text, 0);
    if (!value) FailAt(line_, fmt::format("bad number '{}'", text));
    token.number = *std::move(value);
  }
  tokens_.push_back(std::move(token));
  Advance(end);
}

void Lexer::String() {
  const char quote = text_[at_];
  size_t end = at_ + 1;
  while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
  if (end >= text_.size()) FailAt(line_, fmt::format("unexpected char {} at {}", quote, at_));
  Add(TokenKind::kString, DecodeString(text_.substr(at_ + 1, end - at_ - 1)));
  Advance(end + 1);
}

// Python's unicode-escape over the text's ASCII form; so a backslash before a character past ASCII
// stays, and the character turns into the letters of its escape.
std::string Lexer::DecodeString(std::string_view body) const {
  std::string out;
  for (size_t at = 0; at < body.size();) {
    if (body[at] != '\\') {
      out += body[at++];
      continue;
    }
    if (++at >= body.size()) FailAt(line_, "\\ at end of string");
    const char c = body[at];
    if ((c & 0x80) != 0) {
      const uint32_t code = DecodeUtf8(body, at);
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
      continue;
    }
    ++at;
    constexpr std::string_view kNames = "\\'\"abfnrtv";
    constexpr std::string_view kMeant = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t simple = kNames.find(c); simple != std::string_view::npos) {
      out += kMeant[simple];
    } else if (c == '\n') {
      continue;
    } else if (c >= '0' && c <= '7') {
      uint32_t code = static_cast<uint32_t>(c - '0');
      for (int i = 0; i < 2 && at < body.size() && body[at] >= '0' && body[at] <= '7'; ++i)
        code = code * 8 + static_cast<uint32_t>(body[at++] - '0');
      AppendUtf8(out, code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      uint32_t code = 0;
      for (size_t i = 0; i < digits; ++i, ++at) {
        if (at >= body.size() || std::isxdigit(static_cast<unsigned char>(body[at])) == 0)
          FailAt(line_, fmt::format("truncated \\{} escape", c));
        code = code * 16 + static_cast<uint32_t>(IsAsciiDigit(body[at])
                                                     ? body[at] - '0'
                                                     : (body[at] | 0x20) - 'a' + 10);
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        FailAt(line_, "illegal Unicode character in a string");
      AppendUtf8(out, code);
    } else if (c == 'N') {
      FailAt(line_, "\\N{name} escapes are not supported");
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

void Lexer::Operator() {
  static constexpr std::array<std::string_view, 6> kLong = {"//", "**", "==", "!=", ">=", "<="};
  size_t length = 1;
  for (std::string_view op : kLong)
    if (Starts(at_, op)) length = 2;
  const char c = text_[at_];
  if (length == 1 && std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos)
    FailAt(line_,
           fmt::format("unexpected char '{}' at {}", SanitizeUtf8(text_.substr(at_, 1)), at_));
  if (c == '{' || c == '(' || c == '[') {
    open_ += c == '{' ? '}' : c == '(' ? ')' : ']';
  } else if (c == '}' || c == ')' || c == ']') {
    if (open_.empty()) FailAt(line_, fmt::format("unexpected '{}'", c));
    if (open_.back() != c)
      FailAt(line_, fmt::format("unexpected '{}', expected '{}'", c, open_.back()));
    open_.pop_back();
  }
  Add(TokenKind::kOperator, std::string(text_.substr(at_, length)));
  Advance(at_ + length);
}

}  // namespace

void FailAt(uint32_t line, const std::string& message) {
  Fail(fmt::format("template line {}: {}", line, message));
}

std::vector<Token> Tokenize(std::string_view source) {
  return Lexer(NormalizeNewlines(source)).Run();
}

}  // namespace infe::jinja
