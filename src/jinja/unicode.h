// The parts of Unicode that Python's str methods need: classes of characters and case mapping.
// Tables: unicode_table.inc, made by make_unicode_table.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace infe::jinja {

bool IsSpace(uint32_t c);      // str.isspace, str.strip, regex \s
bool IsPrintable(uint32_t c);  // repr writes it as it is
bool IsAlpha(uint32_t c);
bool IsDigit(uint32_t c);  // isdigit: decimals, superscripts and the like
bool IsDecimal(uint32_t c);
bool IsNumeric(uint32_t c);
bool IsUpper(uint32_t c);
bool IsLower(uint32_t c);
bool IsTitle(uint32_t c);
inline bool IsCased(uint32_t c) {
  return IsUpper(c) || IsLower(c) || IsTitle(c);
}
bool IsIdentifierStart(uint32_t c);  // for names in templates
bool IsIdentifierPart(uint32_t c);

// Appends the full mapping of c (possibly several characters).
void AppendUpper(std::string& out, uint32_t c);
void AppendTitle(std::string& out, uint32_t c);
// Lower case of text[at...]: sigma depends on its neighbours. Advances at.
void AppendLower(std::string& out, std::string_view text, size_t& at);

}  // namespace infe::jinja
