// Every bound of the HTTP layer in one place, with its reason. Past a bound the client gets the
// status named here and the connection closes; nothing is ever buffered without one of these.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "http/address_set.h"

namespace infe::http {

struct HttpLimits {
  // Head: nginx has 4 x 8 KiB, HAProxy 16 KiB; an SDK's head is under 2 KiB.
  size_t head_bytes_max = 32 * 1024;  // request line and fields -> 431
  size_t fields_max = 100;            // -> 431
  size_t line_bytes_max = 8 * 1024;   // one field -> 431; the request line -> 414
  // Body: a context of 128k tokens is under 1 MiB of text.
  uint64_t body_bytes_max = 16 * 1024 * 1024;        // -> 413, by Content-Length before it is read
  uint64_t bodies_in_flight_bytes_max = 512u << 20;  // all unfinished bodies together -> 503
  size_t chunk_line_bytes_max = 1024;                // size and extensions -> 400
  size_t trailer_bytes_max = 8 * 1024;               // -> 431

  // Time.
  std::chrono::milliseconds head_timeout{10'000};        // from its first byte -> 408
  std::chrono::milliseconds body_stall_timeout{10'000};  // between two reads -> 408
  std::chrono::milliseconds body_rate_grace{20'000};     // after which body_rate_min counts
  uint64_t body_rate_min = 1024;                         // bytes a second -> 408
  // From its accept to the first byte of its first request, a TLS handshake included -> closed. A
  // client may connect ahead of its use, but not long.
  std::chrono::milliseconds first_byte_timeout{10'000};
  std::chrono::milliseconds keep_alive_timeout{75'000};      // idle -> closed
  std::chrono::milliseconds connection_lifetime{3'600'000};  // up to a tenth less, at random
  std::chrono::milliseconds write_stall_timeout{30'000};     // under 1 KiB taken in this -> closed
  std::chrono::milliseconds linger_timeout{5'000};           // after the last answer, for its FIN
  uint32_t requests_per_connection_max = 1000;

  // Output: a slow reader is paused at the high mark; a producer that goes on writing regardless
  // is cut off at the maximum.
  size_t output_high_mark_bytes = 256 * 1024;
  size_t output_bytes_max = 8 * 1024 * 1024;
  // What is left of a refused request's body: read and dropped up to the first on a connection that
  // goes on, up to the second on one that closes (so that the client gets to read the refusal).
  uint64_t drain_bytes_max = 64 * 1024;
  uint64_t linger_bytes_max = 32 * 1024 * 1024;

  // Connections. At a bound a newcomer takes the place of the oldest that proved nothing, else of
  // the one that is idle longest; when all are at work -> 503.
  uint32_t connections_max = 4096;
  uint32_t connections_per_address_max = 256;  // IPv6: per /64
  // Of these, connections for which no HeadHook has vouched (without one: that had no request).
  uint32_t unproven_per_address_max = 64;
  // The same for an IPv6 /56, which is what a provider gives one household: 256 networks.
  uint32_t connections_per_site_max = 512;
  uint32_t unproven_per_site_max = 128;
  // Of connections_max, at most a quarter: not for strangers, who are whoever was not vouched for,
  // at an address that was not vouched for within known_address_time. As many as an address has.
  uint32_t connections_reserved = 256;
  std::chrono::milliseconds known_address_time{3'600'000};
  size_t known_addresses_max = 4096;  // 100 bytes each; the one vouched for longest ago goes
  // Addresses that stand for many clients (a proxy, a local load test) have no bound of their own.
  std::vector<std::string> unlimited_addresses{"127.0.0.1", "::1"};
  // Proxies whose X-Forwarded-For is believed. Their connections have no bound of their own either;
  // each client that they name may have as many requests under way as it might have connections.
  AddressSet trusted_proxies;

  // Whether one address has a bound. address: as PeerAddress::text has it.
  bool IsBounded(const std::string& address) const {
    return std::find(unlimited_addresses.begin(), unlimited_addresses.end(), address) ==
               unlimited_addresses.end() &&
           !trusted_proxies.Contains(address);
  }
};

}  // namespace infe::http
