// A bucket of one minute's limit that refills evenly: the generic cell rate algorithm (ITU-T I.371)
// with a burst of one minute, in integers, so that it neither drifts nor rounds a token away. Times
// are microseconds of a clock that never goes back; what does go back counts as standing still.
#pragma once

#include <algorithm>
#include <cstdint>

namespace infe::store {

class TokenBucket {
 public:
  TokenBucket() = default;
  // As it was kept elsewhere: level() of a bucket of this limit at a time.
  TokenBucket(int64_t per_minute, int64_t level, int64_t at_us)
      : per_minute_(per_minute), stamp_us_(at_us), level_(level) {}
  int64_t per_minute() const { return per_minute_; }
  // In units, for keeping elsewhere; a debt is cut at a day of the limit, which fits 64 bits.
  int64_t level() const {
    return static_cast<int64_t>(
        std::max<Units>(level_, std::max<Units>(-Capacity() * 1440, INT64_MIN / 2)));
  }

  // Full at first. A changed limit keeps what has been spent.
  void SetLimit(int64_t per_minute, int64_t now_us) {
    if (per_minute == per_minute_) return;
    Refill(now_us);
    level_ += Units{per_minute - per_minute_} * kMinuteUs;
    per_minute_ = per_minute;
  }
  // Whole tokens; negative after a debt.
  int64_t Available(int64_t now_us) {
    Refill(now_us);
    const Units whole = level_ >= 0 ? level_ / kMinuteUs : -((-level_ + kMinuteUs - 1) / kMinuteUs);
    return static_cast<int64_t>(std::max<Units>(whole, INT64_MIN / 2));
  }
  // Charges whatever the level: positive takes, negative gives back, never above full.
  void Charge(int64_t tokens, int64_t now_us) {
    Refill(now_us);
    level_ = std::min(level_ - Units{tokens} * kMinuteUs, Capacity());
  }
  // Until `tokens` are there; 0: now. They must not be more than the limit.
  int64_t WaitUs(int64_t tokens, int64_t now_us) {
    Refill(now_us);
    return TimeFor(Units{tokens} * kMinuteUs - level_);
  }
  int64_t FullInUs(int64_t now_us) {
    Refill(now_us);
    return TimeFor(Capacity() - level_);
  }

 private:
  // A token is kMinuteUs units, and a microsecond brings per_minute units: all integers. 128 bits
  // hold any limit times any time.
  using Units = __int128;
  static constexpr int64_t kMinuteUs = 60'000'000;

  Units Capacity() const { return Units{per_minute_} * kMinuteUs; }
  int64_t TimeFor(Units missing) const {
    if (missing <= 0 || per_minute_ <= 0) return 0;
    return static_cast<int64_t>(
        std::min<Units>((missing + per_minute_ - 1) / per_minute_, INT64_MAX / 2));
  }
  void Refill(int64_t now_us) {
    if (now_us <= stamp_us_) return;
    level_ = std::min(level_ + Units{now_us - stamp_us_} * per_minute_, Capacity());
    stamp_us_ = now_us;
  }

  int64_t per_minute_ = 0;
  int64_t stamp_us_ = 0;
  Units level_ = 0;
};

}  // namespace infe::store
