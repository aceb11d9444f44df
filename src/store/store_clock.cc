#include "store/store_clock.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store/utc.h"

namespace infe::store {
namespace {

// Corrections below this are everyday: a slewed or stepped NTP second.
constexpr int64_t kToleranceMs = 5'000;
// An operator who corrects a clock does so sooner; a machine that booted with a wrong one and then
// learnt the time works on meanwhile.
constexpr int64_t kBelieveAfterMs = 3'600'000;
constexpr size_t kNotesMax = 64;

// To the nearest whole unit: a jump of three days is measured as a millisecond more or less.
std::string Length(int64_t ms) {
  const int64_t s = (std::abs(ms) + 500) / 1000;
  const auto in = [s](int64_t unit) { return (s + unit / 2) / unit; };
  if (s >= 2 * kDayS) return fmt::format("{} days", in(kDayS));
  if (s >= 7200) return fmt::format("{} hours", in(3600));
  if (s >= 120) return fmt::format("{} minutes", in(60));
  return fmt::format("{} seconds", s);
}

}  // namespace

StoreClock::Sources StoreClock::Sources::System() {
  return {[] {
            return static_cast<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                            std::chrono::system_clock::now().time_since_epoch())
                                            .count());
          },
          [] {
            // Asked of the kernel itself: what stands in for the C library's clocks may set the
            // wall clock, and must not set this one.
            timespec now{};
            syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now);
            return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
          }};
}

StoreClock::StoreClock(Sources sources, int64_t floor_ms)
    : sources_(std::move(sources)), base_steady_ms_(sources_.steady_ms()) {
  const int64_t wall = sources_.wall_ms();
  base_ms_ = std::max(wall, floor_ms);
  behind_ = unsure_ = base_ms_ - wall > kToleranceMs;
  if (behind_)
    notes_.push_back(fmt::format(
        "the clock is {} behind what the database has seen ({}): time goes on from there, so that "
        "no quota or expired key comes back. If the clock is right, say so: infe usage "
        "accept-clock",
        Length(base_ms_ - wall), Rfc3339(base_ms_ / 1000)));
}

StoreClock::Reading StoreClock::Ahead(int64_t wall, int64_t steady, int64_t ahead) {
  if (!jumped_ || std::abs(ahead - jump_ms_) > kToleranceMs) {
    notes_.push_back(
        fmt::format("the clock jumped ahead by {}, to {}: until it has stayed there for an hour, "
                    "quotas count in periods of their own",
                    Length(ahead), Rfc3339(wall / 1000)));
    jumped_at_steady_ms_ = steady;
  }
  jumped_ = true;
  jump_ms_ = ahead;
  if (steady - jumped_at_steady_ms_ < kBelieveAfterMs) return {wall, true};
  notes_.push_back("the clock has stayed where it jumped to for an hour: it is believed");
  jumped_ = false;
  base_ms_ = wall;
  base_steady_ms_ = steady;
  return {wall, false};
}

StoreClock::Reading StoreClock::NowLocked() {
  const int64_t wall = sources_.wall_ms(), steady = sources_.steady_ms();
  const int64_t line = base_ms_ + std::max<int64_t>(steady - base_steady_ms_, 0);
  const int64_t ahead = wall - line;
  if (ahead > kToleranceMs && !unsure_) return Ahead(wall, steady, ahead);
  if (std::exchange(jumped_, false)) notes_.push_back("the clock is back from its jump ahead");
  const bool behind = ahead < -kToleranceMs;
  if (behind && !behind_)
    notes_.push_back(
        fmt::format("the clock went back by {}: quotas and keys go on as before", Length(ahead)));
  if (!behind && behind_) notes_.push_back("the clock is right again");
  behind_ = behind;
  if (ahead > 0) {
    unsure_ = false;
    base_ms_ = wall;
    base_steady_ms_ = steady;
    return {wall, false};
  }
  return {line, false};
}

StoreClock::Reading StoreClock::Now() {
  const std::lock_guard lock(mutex_);
  const Reading now = NowLocked();
  // A clock that goes to and fro while nobody listens fills no memory.
  if (notes_.size() > kNotesMax) notes_.erase(notes_.begin());
  return now;
}

std::vector<std::string> StoreClock::TakeNotes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(notes_, {});
}

}  // namespace infe::store
