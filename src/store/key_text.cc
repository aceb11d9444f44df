#include "store/key_text.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "base/random.h"

namespace infe::store {
namespace {

constexpr std::string_view kApiPrefix = "sk-infe-";
constexpr std::string_view kAdminPrefix = "sk-infe-admin-";
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

std::string NewKeyText(KeyKind kind) {
  std::string secret;
  while (secret.size() < kSecretLength) {
    std::array<uint8_t, 64> bytes;
    FillRandom(bytes.data(), bytes.size());
    for (const uint8_t b : bytes) {
      // 248 = 4 * 62: larger values would favour some characters.
      if (b < 248 && secret.size() < kSecretLength) secret += kAlphabet[b % 62];
    }
  }
  return std::string(kind == KeyKind::kAdmin ? kAdminPrefix : kApiPrefix) + secret +
         Checksum(secret);
}

std::optional<KeyKind> KindOfKey(std::string_view key) {
  // A '-' is no base62 character, so the longer prefix cannot be the beginning of a secret.
  const bool admin = key.starts_with(kAdminPrefix);
  const std::string_view prefix = admin ? kAdminPrefix : kApiPrefix;
  if (!key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  if (key.size() != kSecretLength + kChecksumLength) return std::nullopt;
  for (const char c : key)
    if (kAlphabet.find(c) == std::string_view::npos) return std::nullopt;
  if (Checksum(key.substr(0, kSecretLength)) != key.substr(kSecretLength)) return std::nullopt;
  return admin ? KeyKind::kAdmin : KeyKind::kApi;
}

Result<void> CheckGivenKey(std::string_view key) {
  constexpr size_t kLeast = 12, kMost = 512;
  if (key.size() < kLeast || key.size() > kMost)
    return InvalidArgument(
        fmt::format("a key has {} to {} characters; this one has {}", kLeast, kMost, key.size()));
  for (const char c : key)
    if (c < '!' || c > '~')
      return InvalidArgument("a key is of printable ASCII characters, without blanks");
  return {};
}

std::string RedactedKey(KeyKind kind, std::string_view last4) {
  return std::string(kind == KeyKind::kAdmin ? kAdminPrefix : kApiPrefix) + "..." +
         std::string(last4);
}

}  // namespace infe::store
