#include "http/address_set.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace infe::http {
namespace {

constexpr std::string_view kUnix = "unix";
constexpr uint32_t kV4Offset = 96;  // bits before the IPv4 address in ::ffff:0:0/96
constexpr std::array<uint8_t, 16> kV4Network{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

struct Parsed {
  std::array<uint8_t, 16> bytes{};
  bool is_v4 = false;
};

std::optional<Parsed> ParseBytes(std::string_view address) {
  const std::string text(address);
  Parsed parsed;
  if (inet_pton(AF_INET6, text.c_str(), parsed.bytes.data()) == 1) return parsed;
  parsed.bytes = kV4Network;
  parsed.is_v4 = true;
  if (inet_pton(AF_INET, text.c_str(), &parsed.bytes[12]) == 1) return parsed;
  return std::nullopt;
}

bool SameNetwork(const std::array<uint8_t, 16>& a, const std::array<uint8_t, 16>& b,
                 uint32_t bits) {
  const uint32_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  if (bits % 8 == 0) return true;
  const uint8_t mask = static_cast<uint8_t>(0xFF00u >> (bits % 8));
  return (a[whole] & mask) == (b[whole] & mask);
}

Error Bad(std::string_view entry) {
  return InvalidArgument(fmt::format(
      "\"{}\" is not an address or a network: 192.0.2.7, 10.0.0.0/8, fd00::/8 or unix", entry));
}

}  // namespace

Result<AddressSet> AddressSet::Parse(const std::vector<std::string>& entries) {
  AddressSet set;
  for (const std::string& entry : entries) {
    if (entry == kUnix) {
      set.has_unix_ = true;
      continue;
    }
    const size_t slash = entry.find('/');
    const auto address = ParseBytes(std::string_view(entry).substr(0, slash));
    if (!address) return Bad(entry);
    uint32_t bits = address->is_v4 ? 32 : 128;
    if (slash != std::string::npos) {
      const uint32_t bits_max = bits;
      const char* const end = entry.data() + entry.size();
      const auto [stop, error] = std::from_chars(entry.data() + slash + 1, end, bits);
      if (error != std::errc() || stop != end || bits > bits_max) return Bad(entry);
    }
    if (address->is_v4) bits += kV4Offset;
    // Every IPv4 address, however it is written, and so every network that holds them.
    if (bits <= kV4Offset && SameNetwork(address->bytes, kV4Network, bits))
      return InvalidArgument(fmt::format("\"{}\" is every address: name the proxies'", entry));
    set.networks_.push_back({address->bytes, bits});
  }
  return set;
}

bool AddressSet::Contains(std::string_view address) const {
  if (address == kUnix) return has_unix_;
  if (networks_.empty()) return false;
  const auto parsed = ParseBytes(address);
  return parsed && std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
           return SameNetwork(network.address, parsed->bytes, network.bits);
         });
}

}  // namespace infe::http
