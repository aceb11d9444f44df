// How often one address may fail to authenticate: a token bucket per address, in a table of fixed
// size. An address over its bucket is answered 429 instead of 401; a right key always gets in,
// since many clients may share an address (a NAT, a proxy). Two addresses in one place of the table
// share a bucket for as long as both fail.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace infe::server {

class FailureThrottle {
 public:
  using Clock = std::chrono::steady_clock;
  // A mistyped key in a deployment fails a few times in a row; a scanner fails for hours.
  static constexpr double kBurst = 20;
  static constexpr double kPerSecond = 0.5;

  // Counts one failure. True: within the bucket; false: refuse, and ask to come back after
  // retry_after(). Thread-safe, constant time and memory.
  bool Allow(std::string_view address, Clock::time_point now);
  static constexpr std::chrono::milliseconds retry_after() {
    return std::chrono::milliseconds(static_cast<int64_t>(1000 / kPerSecond));
  }

 private:
  struct Bucket {
    uint64_t address = 0;  // hash; 0: free
    double left = kBurst;
    Clock::time_point at{};
  };
  std::mutex mutex_;
  std::array<Bucket, 4096> buckets_;  // guarded by mutex_
};

}  // namespace infe::server
