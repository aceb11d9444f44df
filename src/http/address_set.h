// Addresses and networks as an operator writes them: "192.0.2.7", "10.0.0.0/8", "fd00::/8", and
// "unix" for sockets in the file system. An IPv4 address is the same one when it is written as an
// IPv6 one (::ffff:192.0.2.7).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace infe::http {

class AddressSet {
 public:
  AddressSet() = default;  // nobody
  // kInvalidArgument: an entry is neither, or is a network that holds every (IPv4) address.
  static Result<AddressSet> Parse(const std::vector<std::string>& entries);

  bool empty() const { return networks_.empty() && !has_unix_; }
  // address: as PeerAddress::text has it.
  bool Contains(std::string_view address) const;

 private:
  using Bytes = std::array<uint8_t, 16>;
  struct Network {
    Bytes address{};
    uint32_t bits = 0;
  };
  std::vector<Network> networks_;
  bool has_unix_ = false;
};

}  // namespace infe::http
