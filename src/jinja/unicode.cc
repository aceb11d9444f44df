#include "jinja/unicode.h"

#include <algorithm>
#include <iterator>

#include "base/utf8.h"

namespace infe::jinja {
namespace {

struct Range {
  uint32_t first, last;
};
struct Run {
  uint32_t first, last, stride;
  int32_t delta;
};
struct Special {
  uint32_t code;
  uint32_t mapped[3];  // zeros at the end are not part of it
};

#include "jinja/unicode_table.inc"

template <size_t N>
bool InTable(const Range (&table)[N], uint32_t c) {
  const Range* after = std::upper_bound(std::begin(table), std::end(table), c,
                                        [](uint32_t x, const Range& r) { return x < r.first; });
  return after != std::begin(table) && c <= std::prev(after)->last;
}

template <size_t N>
uint32_t MapSimple(const Run (&table)[N], uint32_t c) {
  const Run* after = std::upper_bound(std::begin(table), std::end(table), c,
                                      [](uint32_t x, const Run& r) { return x < r.first; });
  if (after == std::begin(table)) return c;
  const Run& run = *std::prev(after);
  if (c > run.last || (c - run.first) % run.stride != 0) return c;
  return c + static_cast<uint32_t>(run.delta);
}

template <size_t N>
bool AppendSpecial(std::string& out, const Special (&table)[N], uint32_t c) {
  const Special* found = std::lower_bound(std::begin(table), std::end(table), c,
                                          [](const Special& s, uint32_t x) { return s.code < x; });
  if (found == std::end(table) || found->code != c) return false;
  for (uint32_t mapped : found->mapped)
    if (mapped != 0) AppendUtf8(out, mapped);
  return true;
}

bool IsAsciiUpper(uint32_t c) {
  return c >= 'A' && c <= 'Z';
}
bool IsAsciiLower(uint32_t c) {
  return c >= 'a' && c <= 'z';
}
bool IsAsciiDigit(uint32_t c) {
  return c >= '0' && c <= '9';
}

constexpr uint32_t kSigma = 0x3A3;

bool IsCaseIgnorable(uint32_t c) {
  if (c < 0x80) return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`';
  return InTable(kCaseIgnorable, c);
}

// Python's rule for capital sigma: final when a cased letter stands before and none after it,
// case-ignorable characters left out.
bool SigmaIsFinal(std::string_view text, size_t begin, size_t end) {
  bool cased_before = false;
  for (size_t at = begin; at > 0;) {
    size_t start = at - 1;
    while (start > 0 && (text[start] & 0xC0) == 0x80) --start;
    size_t next = start;
    const uint32_t c = DecodeUtf8(text, next);
    at = start;
    if (IsCaseIgnorable(c)) continue;
    cased_before = IsCased(c);
    break;
  }
  if (!cased_before) return false;
  for (size_t at = end; at < text.size();) {
    const uint32_t c = DecodeUtf8(text, at);
    if (!IsCaseIgnorable(c)) return !IsCased(c);
  }
  return true;
}

}  // namespace

bool IsSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool IsPrintable(uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  return !InTable(kNotPrintable, c);
}
bool IsAlpha(uint32_t c) {
  return c < 0x80 ? IsAsciiUpper(c) || IsAsciiLower(c) : InTable(kAlpha, c);
}
bool IsDigit(uint32_t c) {
  return c < 0x80 ? IsAsciiDigit(c) : InTable(kDigit, c);
}
bool IsDecimal(uint32_t c) {
  return c < 0x80 ? IsAsciiDigit(c) : InTable(kDecimal, c);
}
bool IsNumeric(uint32_t c) {
  return c < 0x80 ? IsAsciiDigit(c) : InTable(kNumeric, c);
}
bool IsUpper(uint32_t c) {
  return c < 0x80 ? IsAsciiUpper(c) : InTable(kUpper, c);
}
bool IsLower(uint32_t c) {
  return c < 0x80 ? IsAsciiLower(c) : InTable(kLower, c);
}
bool IsTitle(uint32_t c) {  // category Lt
  return c == 0x1C5 || c == 0x1C8 || c == 0x1CB || c == 0x1F2 || (c >= 0x1F88 && c <= 0x1F8F) ||
         (c >= 0x1F98 && c <= 0x1F9F) || (c >= 0x1FA8 && c <= 0x1FAF) || c == 0x1FBC ||
         c == 0x1FCC || c == 0x1FFC;
}
bool IsIdentifierStart(uint32_t c) {
  return c == '_' || IsAlpha(c);
}
bool IsIdentifierPart(uint32_t c) {
  return IsIdentifierStart(c) || IsDecimal(c);
}

void AppendUpper(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(IsAsciiLower(c) ? c - 32 : c);
  } else if (!AppendSpecial(out, kUpperSpecial, c)) {
    AppendUtf8(out, MapSimple(kUpperRuns, c));
  }
}

void AppendTitle(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(IsAsciiLower(c) ? c - 32 : c);
  } else if (!AppendSpecial(out, kTitleSpecial, c)) {
    AppendUtf8(out, MapSimple(kTitleRuns, c));
  }
}

void AppendLower(std::string& out, std::string_view text, size_t& at) {
  const size_t begin = at;
  const uint32_t c = DecodeUtf8(text, at);
  if (c < 0x80) {
    out += static_cast<char>(IsAsciiUpper(c) ? c + 32 : c);
  } else if (c == kSigma) {
    AppendUtf8(out, SigmaIsFinal(text, begin, at) ? 0x3C2 : 0x3C3);
  } else if (!AppendSpecial(out, kLowerSpecial, c)) {
    AppendUtf8(out, MapSimple(kLowerRuns, c));
  }
}

}  // namespace infe::jinja
