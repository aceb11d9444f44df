// When a server that was told to stop is stopped: what each signal asks for, and the bound after
// which the process ends as it is, whatever still runs. Decides only; cli/serve.cc does it.
//
//   first signal   while it serves: drain; while it loads: end
//   second         hurry: answers in progress end with an error; ends within kHurried
//   third          end now
#pragma once

#include <chrono>

namespace infe::cli {

class StopPlan {
 public:
  using Clock = std::chrono::steady_clock;
  // Two signals and five seconds: that is the promise.
  static constexpr std::chrono::milliseconds kHurried{4000};
  // After an orderly drain: prefix files are written and synced, half a gigabyte each.
  static constexpr std::chrono::minutes kClosing{5};

  enum class Phase {
    kLoading,
    kServing,  // and draining
    kClosing,  // nobody is served any more; files and databases are closed
  };
  void Enter(Phase phase, Clock::time_point now);
  // SIGTERM or SIGINT.
  void OnSignal(Clock::time_point now);

  enum class Step { kWait, kHurry, kEnd };
  Step Next(Clock::time_point now) const;

 private:
  Phase phase_ = Phase::kLoading;
  int signals_ = 0;
  Clock::time_point end_ = Clock::time_point::max();
};

}  // namespace infe::cli
