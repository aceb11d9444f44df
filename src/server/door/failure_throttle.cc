#include "server/door/failure_throttle.h"

#include <algorithm>
#include <functional>
#include <string>

#include <arpa/inet.h>

namespace infe::server {
namespace {

// What counts as one address: an IPv4 address, or the /64 of an IPv6 one, as one client has all of
// it.
uint64_t AddressHash(std::string_view address) {
  const std::string text(address);
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1)
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(&v6), 8}) | 1;
  return std::hash<std::string_view>()(address) | 1;
}

}  // namespace

bool FailureThrottle::Allow(std::string_view address, Clock::time_point now) {
  const uint64_t hash = AddressHash(address);
  const std::lock_guard lock(mutex_);
  Bucket& bucket = buckets_[(hash >> 1) % buckets_.size()];
  const double elapsed = std::chrono::duration<double>(now - bucket.at).count();
  bucket.left = std::min(kBurst, bucket.left + std::max(elapsed, 0.0) * kPerSecond);
  // The place changes hands only when its holder has nothing to hide: otherwise a second address
  // would wash the first one's record.
  if (bucket.address != hash && bucket.left >= kBurst) bucket = {hash, kBurst, now};
  bucket.at = std::max(bucket.at, now);
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

}  // namespace infe::server
