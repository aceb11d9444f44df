#include "base/utf8.h"

#include <algorithm>

namespace infe {
namespace {

unsigned char At(std::string_view text, size_t i) {
  return static_cast<unsigned char>(text[i]);
}
bool IsContinuation(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

// Bytes that a lead byte announces; 0 for a byte that cannot lead.
size_t Announced(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return 2;
  if (c >= 0xE0 && c <= 0xEF) return 3;
  if (c >= 0xF0 && c <= 0xF4) return 4;
  return 0;
}

// Whether the second byte is legal after the lead (overlong forms, surrogates, above U+10FFFF).
bool SecondIsLegal(unsigned char lead, unsigned char second) {
  if (!IsContinuation(second)) return false;
  if (lead == 0xE0) return second >= 0xA0;
  if (lead == 0xED) return second <= 0x9F;
  if (lead == 0xF0) return second >= 0x90;
  if (lead == 0xF4) return second <= 0x8F;
  return true;
}

}  // namespace

size_t Utf8Length(std::string_view text) {
  if (text.empty()) return 0;
  const size_t length = Announced(At(text, 0));
  if (length == 0 || length > text.size()) return 0;
  if (length > 1 && !SecondIsLegal(At(text, 0), At(text, 1))) return 0;
  for (size_t i = 2; i < length; ++i)
    if (!IsContinuation(At(text, i))) return 0;
  return length;
}

uint32_t DecodeUtf8(std::string_view text, size_t& at) {
  const size_t length = Utf8Length(text.substr(at));
  if (length == 0) {
    ++at;
    return 0xFFFD;
  }
  uint32_t code = At(text, at);
  if (length > 1) code &= 0x7Fu >> length;
  for (size_t i = 1; i < length; ++i) code = code << 6 | (At(text, at + i) & 0x3Fu);
  at += length;
  return code;
}

void AppendUtf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool IsValidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const size_t length = Utf8Length(text.substr(i));
    if (length == 0) return false;
    i += length;
  }
  return true;
}

size_t CompleteUtf8Prefix(std::string_view text) {
  // An unfinished character is at most three bytes long: look back for its lead byte.
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const size_t at = text.size() - back;
    const unsigned char c = At(text, at);
    if (IsContinuation(c)) continue;
    const size_t announced = Announced(c);
    if (announced <= back) return text.size();
    if (back >= 2 && !SecondIsLegal(c, At(text, at + 1))) return text.size();
    return at;
  }
  return text.size();
}

std::string SanitizeUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t i = 0;
  while (i < text.size()) {
    const size_t length = Utf8Length(text.substr(i));
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
    } else {
      out.append(text, i, length);
      i += length;
    }
  }
  return out;
}

}  // namespace infe
