#include "store/key_text.h"

#include <array>
#include <cstdint>

#include "base/random.h"

namespace infe::store {
namespace {

constexpr std::string_view kPrefix = "sk-infe-";
constexpr std::string_view kAlphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kSecretLength = 43;   // 62^43 > 2^256
constexpr size_t kChecksumLength = 6;  // 62^6 > 2^32

// CRC-32 of ISO-HDLC (reflected 0xEDB88320).
uint32_t Crc32(std::string_view text) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

std::string Checksum(std::string_view secret) {
  uint32_t crc = Crc32(secret);
  std::string text(kChecksumLength, '0');
  for (size_t i = kChecksumLength; i-- > 0; crc /= 62) text[i] = kAlphabet[crc % 62];
  return text;
}

}  // namespace

std::string NewKeyText() {
  std::string secret;
  while (secret.size() < kSecretLength) {
    std::array<uint8_t, 64> bytes;
    FillRandom(bytes.data(), bytes.size());
    for (const uint8_t b : bytes) {
      // 248 = 4 * 62: larger values would favour some characters.
      if (b < 248 && secret.size() < kSecretLength) secret += kAlphabet[b % 62];
    }
  }
  return std::string(kPrefix) + secret + Checksum(secret);
}

bool IsWellFormedKey(std::string_view key) {
  if (key.size() != kPrefix.size() + kSecretLength + kChecksumLength || !key.starts_with(kPrefix))
    return false;
  const std::string_view secret = key.substr(kPrefix.size(), kSecretLength);
  for (const char c : key.substr(kPrefix.size()))
    if (kAlphabet.find(c) == std::string_view::npos) return false;
  return Checksum(secret) == key.substr(kPrefix.size() + kSecretLength);
}

std::string MaskKey(std::string_view key) {
  if (key.size() < 12) return "***";
  const std::string_view head = key.starts_with(kPrefix) ? kPrefix : key.substr(0, 3);
  return std::string(head) + "..." + std::string(key.substr(key.size() - 4));
}

}  // namespace infe::store
