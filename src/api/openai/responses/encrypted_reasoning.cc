#include "api/openai/responses/encrypted_reasoning.h"

#include <cstdint>

#include "base/utf8.h"

namespace infe::api::responses {
namespace {

constexpr std::string_view kMark = "infe1.";
constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// -1: no character of the alphabet.
int ValueOf(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  return c == '_' ? 63 : -1;
}

}  // namespace

std::string SealReasoning(std::string_view text) {
  std::string out(kMark);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) out += kAlphabet[(bits >> (count - 6)) & 63];
  }
  if (count > 0) out += kAlphabet[(bits << (6 - count)) & 63];
  return out;
}

std::optional<std::string> OpenReasoning(std::string_view sealed) {
  if (!sealed.starts_with(kMark)) return std::nullopt;
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : sealed.substr(kMark.size())) {
    const int value = ValueOf(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    text += static_cast<char>((bits >> count) & 255);
  }
  if (!IsValidUtf8(text)) return std::nullopt;
  return text;
}

}  // namespace infe::api::responses
