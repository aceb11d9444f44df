// SHA-256 (FIPS 180-4) and HMAC over it, by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace infe {

using Sha256Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Update(std::span<const std::byte> data);
  void Update(std::string_view data);
  Sha256Digest Finish();  // once

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Sha256Digest HmacSha256(std::string_view key, std::string_view message);
std::string ToHex(std::span<const uint8_t> bytes);
// In time that depends on the lengths only.
bool EqualConstantTime(std::span<const uint8_t> a, std::span<const uint8_t> b);

}  // namespace infe
