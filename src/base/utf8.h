// UTF-8 by the rules of RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace infe {

// Bytes of the well-formed character that text begins with; 0 if it does not begin with one.
size_t Utf8Length(std::string_view text);
// The code point at text[at]; advances at past it. On malformed bytes returns 0xFFFD and
// advances 1.
uint32_t DecodeUtf8(std::string_view text, size_t& at);
void AppendUtf8(std::string& out, uint32_t code_point);
bool IsValidUtf8(std::string_view text);
// Length of the longest prefix that does not end inside a character: what a stream may emit now.
// Malformed bytes count as complete.
size_t CompleteUtf8Prefix(std::string_view text);
// A copy with every malformed byte replaced by U+FFFD.
std::string SanitizeUtf8(std::string_view text);

}  // namespace infe
