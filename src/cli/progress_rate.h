// How fast a long job goes and when it will be done, from what has been done at which times. The
// rate is that of the last seconds: a connection that has become slow is told as slow, and what an
// earlier run had done already counts for nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace infe::cli {

class ProgressRate {
 public:
  using Clock = std::chrono::steady_clock;
  void Add(Clock::time_point now, uint64_t done);
  void Clear() { seen_.clear(); }
  // Per second; absent until there is something to measure by.
  std::optional<double> PerSecond() const;
  // Seconds until `total` is done; absent where nothing moves.
  std::optional<double> RemainingSeconds(uint64_t total) const;

 private:
  struct Look {
    Clock::time_point at;
    uint64_t done;
  };
  std::deque<Look> seen_;  // the oldest first, at most a few seconds of them
};

}  // namespace infe::cli
