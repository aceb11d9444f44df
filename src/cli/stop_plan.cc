#include "cli/stop_plan.h"

#include <algorithm>

namespace infe::cli {

void StopPlan::Enter(Phase phase, Clock::time_point now) {
  phase_ = phase;
  if (phase == Phase::kClosing) end_ = std::min(end_, now + kClosing);
}

void StopPlan::OnSignal(Clock::time_point now) {
  signals_ += 1;
  // Nothing is in flight while it loads.
  if (signals_ == 2 || phase_ == Phase::kLoading) end_ = std::min(end_, now + kHurried);
  if (signals_ > 2) end_ = now;
}

StopPlan::Step StopPlan::Next(Clock::time_point now) const {
  if (now >= end_) return Step::kEnd;
  return signals_ >= 2 ? Step::kHurry : Step::kWait;
}

}  // namespace infe::cli
