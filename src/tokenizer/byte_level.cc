#include "tokenizer/byte_level.h"

#include "base/utf8.h"

namespace infe::tokenizer {
namespace {

constexpr uint32_t kAlphabetEnd = 0x100 + 68;  // 68 bytes are not printable

bool StandsForItself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Code point to byte, -1 where there is none.
std::array<int16_t, kAlphabetEnd> Inverse() {
  std::array<int16_t, kAlphabetEnd> inverse{};
  inverse.fill(-1);
  const std::array<uint32_t, 256> alphabet = ByteLevelAlphabet();
  for (int byte = 0; byte < 256; ++byte) inverse[alphabet[byte]] = static_cast<int16_t>(byte);
  return inverse;
}

}  // namespace

std::array<uint32_t, 256> ByteLevelAlphabet() {
  std::array<uint32_t, 256> alphabet{};
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte)
    alphabet[byte] = StandsForItself(byte) ? byte : next++;
  return alphabet;
}

std::optional<std::string> DecodeByteLevel(std::string_view text) {
  static const std::array<int16_t, kAlphabetEnd> kInverse = Inverse();
  std::string bytes;
  bytes.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    const uint32_t code = DecodeUtf8(text, at);
    if (code >= kAlphabetEnd || kInverse[code] < 0) return std::nullopt;
    bytes += static_cast<char>(kInverse[code]);
  }
  return bytes;
}

}  // namespace infe::tokenizer
