// One budget for work that a stranger's input asks for: steps, bytes and CPU time, with a flag and
// a moment that end it early. Whoever works spends; once something has run out every Spend answers
// false, and the work winds up and reports Refusal(). Steps and bytes are the bounds that decide,
// because they are the same on every machine and at any load; CPU time of the spending thread is
// there for what steps misjudge.
//
// One thread at a time, which is the one whose CPU time counts. Making one costs nothing, so small
// calls may have one each: the CPU clock is first read after kStepsBetweenLooks steps.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace infe {

class Fuel {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Bound : uint8_t {
    kNone,   // nothing has run out
    kSteps,  // the bounds of Limits
    kBytes,
    kCpuTime,
    kCancelled,  // the flag: the client left, or the process stops
    kDeadline,   // the request's own
  };

  struct Limits {
    uint64_t steps = UINT64_MAX;
    size_t bytes = SIZE_MAX;
    std::chrono::milliseconds cpu = std::chrono::milliseconds::max();
  };

  // cancelled: borrowed, may be null, set by any thread.
  explicit Fuel(const Limits& limits, const std::atomic<bool>* cancelled = nullptr,
                Clock::time_point deadline = Clock::time_point::max());

  // Takes steps; a step is about 10 to 100 ns of work. False from the first that is not there on.
  bool Spend(uint64_t steps = 1) {
    steps_ += steps;
    return steps_ < next_look_ ? bound_ == Bound::kNone : Look();
  }
  // Counts memory that the work holds now. False as for Spend.
  bool Hold(size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > limits_.bytes) RunOut(Bound::kBytes);
    return bound_ == Bound::kNone;
  }
  void Release(size_t bytes) { bytes_ -= bytes < bytes_ ? bytes : bytes_; }
  // More steps and bytes, for input that turned out to be large: up to `most` in all.
  void Allow(uint64_t steps, size_t bytes, const Limits& most) {
    limits_.steps = std::min(most.steps, limits_.steps + steps);
    limits_.bytes = std::min(most.bytes, limits_.bytes + bytes);
    next_look_ = 0;
  }
  // Ends it by a bound of the worker's own choice; the first one stays.
  void RunOut(Bound bound) {
    if (bound_ == Bound::kNone) bound_ = bound;
  }

  bool empty() const { return bound_ != Bound::kNone; }
  Bound bound() const { return bound_; }
  uint64_t steps() const { return steps_; }
  size_t bytes() const { return bytes_; }
  const Limits& limits() const { return limits_; }

  // "WHAT needs more than 2000000 steps"; kResourceExhausted for the three bounds, kCancelled and
  // kDeadlineExceeded for the other two. CHECKs that something has run out.
  Error Refusal(std::string_view what) const;

 private:
  static constexpr uint64_t kStepsBetweenLooks = 4096;  // at the clocks: under half a millisecond

  bool Look();

  Limits limits_;
  const std::atomic<bool>* const cancelled_;
  const Clock::time_point deadline_;
  std::optional<std::chrono::nanoseconds> cpu_start_;  // null: not read yet
  uint64_t steps_ = 0;
  uint64_t next_look_ = 0;
  size_t bytes_ = 0;
  Bound bound_ = Bound::kNone;
};

}  // namespace infe
