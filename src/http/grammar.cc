#include "http/grammar.h"

#include <array>
#include <charconv>
#include <cstddef>

#include "http/headers.h"

namespace infe::http {

namespace {

constexpr std::array<bool, 256> MakeTokenTable() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<uint8_t>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = MakeTokenTable();

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsHex(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

template <int kBase>
std::optional<uint64_t> ParseDigits(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, kBase);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return value;
}

// A quoted-string at the front of text: its length with both quotes, or 0.
size_t QuotedLength(std::string_view text) {
  if (text.empty() || text[0] != '"') return 0;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
  }
  return 0;
}

size_t TokenLength(std::string_view text) {
  size_t i = 0;
  while (i < text.size() && IsTokenByte(text[i])) ++i;
  return i;
}

}  // namespace

bool IsTokenByte(char c) {
  return kToken[static_cast<uint8_t>(c)];
}
bool IsLineByte(char c) {
  return (c >= 0x20 && c <= 0x7E) || c == '\t';
}

bool IsOpaqueByte(char c) {
  return static_cast<uint8_t>(c) >= 0x80;
}

bool IsToken(std::string_view text) {
  return !text.empty() && TokenLength(text) == text.size();
}

std::string_view TrimBlanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<uint64_t> ParseLength(std::string_view text) {
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
  }
  return ParseDigits<10>(text);
}

std::optional<uint64_t> ParseChunkSize(std::string_view text) {
  if (text.empty() || text.size() > 16) return std::nullopt;
  for (const char c : text) {
    if (!IsHex(c)) return std::nullopt;
  }
  return ParseDigits<16>(text);
}

bool IsChunkExtensions(std::string_view text) {
  while (!text.empty()) {
    if (text[0] != ';') return false;
    text.remove_prefix(1);
    const size_t name = TokenLength(text);
    if (name == 0) return false;
    text.remove_prefix(name);
    if (text.empty() || text[0] != '=') continue;
    text.remove_prefix(1);
    const size_t quoted = QuotedLength(text);
    const size_t value = quoted != 0 ? quoted : TokenLength(text);
    if (value == 0) return false;
    text.remove_prefix(value);
  }
  return true;
}

bool IsHost(std::string_view text) {
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (const char c : text.substr(1, close - 1)) {
      if (!IsHex(c) && c != ':' && c != '.') return false;
    }
    rest = text.substr(close + 1);
  } else {
    const size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    if (name.empty()) return false;
    for (const char c : name) {
      // unreserved and sub-delims of RFC 3986; escapes have no place in a name of ours.
      if (!IsDigit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
          std::string_view("-._~!$&'()*+,;=").find(c) == std::string_view::npos) {
        return false;
      }
    }
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (rest.empty()) return true;
  if (rest[0] != ':' || rest.size() > 6) return false;
  for (const char c : rest.substr(1)) {
    if (!IsDigit(c)) return false;
  }
  return true;
}

bool IsOriginForm(std::string_view text) {
  if (!text.starts_with('/')) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c <= 0x20 || c > 0x7E || c == '#') return false;
    if (c != '%') continue;
    if (text.size() - i < 3 || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) return false;
    if (text[i + 1] == '0' && text[i + 2] == '0') return false;
  }
  return true;
}

bool ListHasToken(std::string_view list, std::string_view token) {
  while (true) {
    const size_t comma = list.find(',');
    if (EqualsIgnoreCase(TrimBlanks(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace infe::http
