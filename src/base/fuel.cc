#include "base/fuel.h"

#include <ctime>

#include <fmt/format.h>

#include "base/check.h"

namespace infe {
namespace {

std::chrono::nanoseconds ThreadCpuTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

Fuel::Fuel(const Limits& limits, const std::atomic<bool>* cancelled, Clock::time_point deadline)
    : limits_(limits), cancelled_(cancelled), deadline_(deadline) {}

bool Fuel::Look() {
  if (bound_ != Bound::kNone) return false;  // whoever winds up is not slowed down by clocks
  if (steps_ > limits_.steps) RunOut(Bound::kSteps);
  if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed))
    RunOut(Bound::kCancelled);
  if (limits_.cpu != std::chrono::milliseconds::max() && steps_ >= kStepsBetweenLooks) {
    const std::chrono::nanoseconds now = ThreadCpuTime();
    if (!cpu_start_) cpu_start_ = now;
    if (now - *cpu_start_ > limits_.cpu) RunOut(Bound::kCpuTime);
  }
  if (deadline_ != Clock::time_point::max() && Clock::now() > deadline_) RunOut(Bound::kDeadline);
  next_look_ = steps_ + kStepsBetweenLooks;
  if (limits_.steps < next_look_) next_look_ = limits_.steps + 1;
  return bound_ == Bound::kNone;
}

Error Fuel::Refusal(std::string_view what) const {
  switch (bound_) {
    case Bound::kNone:
      break;
    case Bound::kSteps:
      return ResourceExhausted(fmt::format("{} needs more than {} steps", what, limits_.steps));
    case Bound::kBytes:
      return ResourceExhausted(
          fmt::format("{} needs more than {} bytes of memory", what, limits_.bytes));
    case Bound::kCpuTime:
      return ResourceExhausted(
          fmt::format("{} needs more than {} ms of CPU time", what, limits_.cpu.count()));
    case Bound::kCancelled:
      return {ErrorCode::kCancelled, fmt::format("{} was given up", what), {}};
    case Bound::kDeadline:
      return {ErrorCode::kDeadlineExceeded,
              fmt::format("{} was not done by the request's deadline", what),
              {}};
  }
  INFE_CHECK(false);
  return {};
}

}  // namespace infe
