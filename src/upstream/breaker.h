// Whether a server that failed is asked again. Of the failures that are its own (no connection,
// silence, 5xx), never of what a request brought upon itself.
//
//             kFailuresMax in a row              rest is over, one request
//   closed -----------------------------> open ----------------------------> trying
//     ^                                     ^---- it fails: twice the rest ----'|
//     '---------- it is heard, or succeeds ------------------------------------'
//
// One that is heard may be asked by all again, long before its answer is complete; until something
// succeeds a single further failure opens, and the rest goes on doubling.
//
// Not thread-safe; time is given, so that tests need no clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace infe::upstream {

class Breaker {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // One failure may be chance; three in a row, with nothing between, are not.
  static constexpr uint32_t kFailuresMax = 3;
  static constexpr auto kFirstRest = std::chrono::milliseconds(1000);
  static constexpr auto kLongestRest = std::chrono::milliseconds(30'000);
  enum class State : uint8_t { kClosed, kOpen, kTrying };

  // May a request be sent? Changes nothing.
  bool Allows(Time now) const {
    return state_ == State::kClosed || (state_ == State::kOpen && now >= rest_until_);
  }
  // A request is sent. REQUIRES: Allows(now).
  void Begin() {
    if (state_ == State::kOpen) state_ = State::kTrying;
  }
  // It has begun to answer: it is there, which is not yet that it is well.
  void Hear() {
    if (state_ != State::kTrying) return;
    state_ = State::kClosed;
    failures_ = kFailuresMax - 1;
  }
  void Succeed() {
    state_ = State::kClosed;
    failures_ = 0;
    rest_ = kFirstRest;
  }
  void Fail(Time now) {
    if (state_ == State::kOpen) return;  // one that was sent before
    failures_ += 1;
    if (state_ == State::kClosed && failures_ < kFailuresMax) return;
    state_ = State::kOpen;
    rest_until_ = now + rest_;
    rest_ = std::min<std::chrono::milliseconds>(2 * rest_, kLongestRest);
  }
  // A request ended without telling anything: its client left.
  void Forget() {
    if (state_ == State::kTrying) state_ = State::kOpen;
  }

  State state() const { return state_; }
  // Nothing failed since something succeeded.
  bool is_well() const { return failures_ == 0; }
  // When it may be asked again; in the past: now.
  Time rest_until() const { return rest_until_; }

 private:
  State state_ = State::kClosed;
  uint32_t failures_ = 0;                        // in a row
  std::chrono::milliseconds rest_ = kFirstRest;  // when it opens next
  Time rest_until_ = {};
};

}  // namespace infe::upstream
