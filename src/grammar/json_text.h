// JSON's own spellings as regexes: whitespace policies, numbers, strings, and what one text of a
// lexeme means.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grammar/lexeme.h"

namespace infe::grammar {

// Where whitespace may stand between the tokens of JSON. Unbounded whitespace is the commonest
// runaway of constrained models, forced compact text is off their distribution.
enum class Whitespace {
  kBounded,  // a newline and up to 20 blanks or tabs, or up to 2 blanks
  kCompact,  // none at all
  kExact,    // one blank after each : and , as Python's json.dumps writes, and none elsewhere
};

// The regex of a policy, kNothing for none. Prefix-closed, as Lexer wants it.
RegexId BlankRegex(RegexPool& pool, Whitespace policy);
// What stands between a key and its value, and between two members.
RegexId ColonRegex(RegexPool& pool, Whitespace policy);
RegexId CommaRegex(RegexPool& pool, Whitespace policy);
// Any JSON number, exponents included: of up to 3 digits, as parsers refuse what no double holds.
RegexId AnyNumberRegex(RegexPool& pool);

// text as a JSON string with quotes in the canonical spelling (Spelling::kJsonCanonical).
std::string CanonicalString(std::string_view text);

// What the bytes of a lexeme mean: the decoded text of a string, a number in a normal form, and
// the bytes themselves otherwise. Leading whitespace and the tail are not part of it.
std::string MeantText(const Lexeme& lexeme, std::string_view bytes);
// The lexeme's content without the spellings that mean one of texts.
RegexId ExcludeTexts(RegexPool& pool, const Lexeme& lexeme, const std::vector<std::string>& texts);

}  // namespace infe::grammar
