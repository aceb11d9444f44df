// What the rendering on this thread may still cost. Text and values charge where they are made and
// walked, not where a built-in thinks of it: a filter that forgot its charge was how a template
// of one line could keep a processor for a minute.
//
// The meter is the one thing of this folder that is found through the thread instead of being
// handed on: what makes texts (copies, slices, temporaries) has no other access to its rendering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/fuel.h"

namespace infe::jinja {

// A step is what evaluating one node takes, some 50 to 100 ns; a tick, about copying one byte.
inline constexpr uint64_t kTicksPerStep = 256;
// One short turn of a loop: appending a piece, comparing two small values, decoding a character.
inline constexpr uint64_t kTurnTicks = 32;
// One allocation with what goes with it.
inline constexpr uint64_t kMakingTicks = 192;

class Meter {
 public:
  // Is the thread's meter for as long as it lives.
  explicit Meter(const Fuel::Limits& limits)
      : fuel_(limits), outer_(std::exchange(current_, this)) {}
  ~Meter() { current_ = outer_; }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  static Meter* Current() { return current_; }  // null while nothing is rendered: compiling

  // Fails (FailLimit) when something has run out.
  void Spend(uint64_t ticks) {
    ticks_ += ticks;
    if (ticks_ < kTicksPerStep) return;
    const uint64_t steps = ticks_ / kTicksPerStep;
    ticks_ %= kTicksPerStep;
    if (!fuel_.Spend(steps)) FailEmpty();
  }
  void Hold(size_t bytes) {
    if (!fuel_.Hold(bytes)) FailEmpty();
  }
  void Release(size_t bytes) { fuel_.Release(bytes); }

 private:
  [[noreturn]] void FailEmpty() const;

  static thread_local constinit inline Meter* current_ = nullptr;
  Fuel fuel_;
  uint64_t ticks_ = 0;
  Meter* const outer_;
};

inline void SpendTicks(uint64_t ticks) {
  if (Meter* const meter = Meter::Current()) meter->Spend(ticks);
}

// Memory that somebody holds, counted by the meter of the thread that took it. Must not outlive
// that rendering.
class HeldBytes {
 public:
  HeldBytes() = default;
  explicit HeldBytes(size_t bytes) { Set(bytes); }
  HeldBytes(HeldBytes&& other) noexcept
      : meter_(std::exchange(other.meter_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    std::swap(meter_, other.meter_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldBytes() { Set(0); }

  // From now on it is so many.
  void Set(size_t bytes) {
    if (meter_ == nullptr) meter_ = Meter::Current();
    if (meter_ == nullptr) return;
    const size_t before = std::exchange(bytes_, bytes);
    meter_->Release(before);
    if (bytes > 0) meter_->Hold(bytes);
  }

 private:
  Meter* meter_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace infe::jinja
