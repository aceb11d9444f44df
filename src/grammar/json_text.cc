#include "grammar/json_text.h"

#include "base/json.h"
#include "grammar/limits.h"

namespace infe::grammar {
namespace {

CharSet Digits() {
  return CharSet::Range('0', '9');
}

bool IsBlank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// A decimal without exponent in one form per value: no zeros at the end of a fraction, no "-0".
std::string NormalNumber(std::string_view text) {
  std::string number(text);
  if (const size_t dot = number.find('.'); dot != std::string::npos) {
    while (number.back() == '0') number.pop_back();
    if (number.back() == '.') number.pop_back();
  }
  return number == "-0" ? "0" : number;
}

bool LooksLikeNumber(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
}

// Every spelling without exponent of a number in normal form.
RegexId NumberSpellings(RegexPool& pool, std::string_view normal) {
  const RegexId zeros = pool.Repeat(pool.Char('0'), 1, kUnbounded);
  if (normal.find('.') != std::string_view::npos)
    return pool.Concat(pool.Literal(normal), pool.Optional(zeros));
  RegexId number =
      pool.Concat(pool.Literal(normal), pool.Optional(pool.Concat(pool.Char('.'), zeros)));
  if (normal == "0") number = pool.Concat(pool.Optional(pool.Char('-')), number);
  return number;
}

}  // namespace

RegexId BlankRegex(RegexPool& pool, Whitespace policy) {
  if (policy != Whitespace::kBounded) return kNothing;
  CharSet indent = CharSet::Of('\t');
  indent.Add(' ', ' ');
  const RegexId line = pool.Concat(pool.Char('\n'), pool.Repeat(pool.Class(indent), 0, 20));
  return pool.Optional(pool.Or(line, pool.Repeat(pool.Char(' '), 0, 2)));
}

RegexId ColonRegex(RegexPool& pool, Whitespace policy) {
  if (policy == Whitespace::kExact) return pool.Literal(": ");
  const RegexId blank = BlankRegex(pool, policy);
  return blank == kNothing ? pool.Char(':') : pool.Concat(blank, pool.Char(':'));
}

RegexId CommaRegex(RegexPool& pool, Whitespace policy) {
  return pool.Literal(policy == Whitespace::kExact ? ", " : ",");
}

RegexId AnyNumberRegex(RegexPool& pool) {
  const RegexId digits = pool.Repeat(pool.Class(Digits()), 1, kUnbounded);
  const RegexId whole = pool.Or(pool.Char('0'), pool.Concat(pool.Class(CharSet::Range('1', '9')),
                                                            pool.Star(pool.Class(Digits()))));
  CharSet e = CharSet::Of('E');
  e.Add('e', 'e');
  CharSet sign = CharSet::Of('+');
  sign.Add('-', '-');
  return pool.Concat({pool.Optional(pool.Char('-')), whole,
                      pool.Optional(pool.Concat(pool.Char('.'), digits)),
                      pool.Optional(pool.Concat({pool.Class(e), pool.Optional(pool.Class(sign)),
                                                 pool.Repeat(pool.Class(Digits()), 1, 3)}))});
}

std::string CanonicalString(std::string_view text) {
  static constexpr const char* kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char ch : text) {
    const auto c = static_cast<uint8_t>(ch);
    if (ch == '"' || ch == '\\') {
      out += '\\';
      out += ch;
    } else if (c >= 0x20) {
      out += ch;
    } else if (c == 8 || c == 9 || c == 10 || c == 12 || c == 13) {
      out += '\\';
      out += "btn\0fr"[c - 8];
    } else {
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  return out + '"';
}

std::string MeantText(const Lexeme& lexeme, std::string_view bytes) {
  while (!bytes.empty() && IsBlank(bytes.front())) bytes.remove_prefix(1);
  if (!lexeme.quoted()) {
    if (!bytes.empty() && bytes.front() == '"') {
      if (const auto parsed = ParseJson(bytes); parsed && parsed->is_string())
        return CanonicalString(parsed->as_string());
    }
    return LooksLikeNumber(bytes) ? NormalNumber(bytes) : std::string(bytes);
  }
  size_t end = 1;
  while (end < bytes.size() && bytes[end] != '"') end += bytes[end] == '\\' ? 2 : 1;
  const auto parsed = ParseJson(bytes.substr(0, end + 1));
  // The lexer let it through, so it parses; the text itself keeps the two apart if it does not.
  return parsed && parsed->is_string() ? parsed->as_string() : std::string(bytes);
}

RegexId ExcludeTexts(RegexPool& pool, const Lexeme& lexeme, const std::vector<std::string>& texts) {
  if (texts.empty()) return lexeme.content;
  if (lexeme.quoted()) return pool.And(lexeme.content, pool.Not(pool.Literals(texts)));
  std::vector<RegexId> spellings;
  for (const std::string& text : texts)
    spellings.push_back(LooksLikeNumber(text) ? NumberSpellings(pool, text) : pool.Literal(text));
  return pool.And(lexeme.content, pool.Not(pool.Or(std::move(spellings))));
}

}  // namespace infe::grammar
