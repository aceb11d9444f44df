// Whether the engines make progress: what /livez and the service manager's watchdog ask. Each
// engine's heartbeat ticks at every step, and once a second while idle; one that has stood still
// for kPatience is stuck, whatever the load.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace infe::server {

class Liveness {
 public:
  using Clock = std::chrono::steady_clock;
  // A step is planned for less than half a second; a swapping or stopped machine takes longer.
  static constexpr std::chrono::seconds kPatience{60};

  // Told one engine's heartbeat now. False: it has not moved for kPatience of observation (so the
  // first look is always good). name: whose; one that is no longer told is forgotten by nobody, as
  // models are few. Thread-safe.
  bool Observe(const std::string& name, uint64_t heartbeat, Clock::time_point now);

 private:
  struct Seen {
    uint64_t heartbeat = 0;
    Clock::time_point moved{};
  };
  std::mutex mutex_;
  std::map<std::string, Seen> seen_;  // guarded by mutex_
};

}  // namespace infe::server
