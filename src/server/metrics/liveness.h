// Whether everything that serves makes progress: what /livez, the service manager's watchdog, a
// metric and a log line tell.
//
//   engine       its heartbeat ticks at every step, and once a second while idle
//   task thread  comes to the end of each task
//   I/O loop     comes to the end of each round of events
//
// What has stood still for its patience is stuck, whatever the load.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "http/server.h"
#include "server/door/pools.h"
#include "server/models/model_set.h"

namespace infe::server {

// One thing that is stuck.
struct Stuck {
  std::string where;  // "compiles", "engine", "io": the label of a metric
  std::string what;   // for a person: "compile of req_...", "infe-pulse", "the API's I/O thread"
  uint64_t id = 0;    // the same as long as it is the same one, within `where`
  std::chrono::seconds duration{0};
};

class Liveness {
 public:
  using Clock = std::chrono::steady_clock;
  // A step is planned for less than half a second; a swapping or stopped machine takes longer.
  static constexpr std::chrono::seconds kPatience{60};
  // The longest legal tasks: a grammar's second of CPU at a tenth of a processor's share, and a few
  // statements of administration to a database, which give up after 10 s each.
  static constexpr std::chrono::seconds kTaskPatience{45};
  static constexpr std::chrono::seconds kRoundPatience{10};

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

std::vector<Stuck> FindStuckTasks(const TaskPool& pool, Liveness::Clock::time_point now);

// What does not move now, of everything. The servers may be null. Thread-safe.
struct Watched {
  const ModelSet& models;
  const Pools& pools;
  const http::HttpServer* api = nullptr;
  const http::HttpServer* ops = nullptr;
};
std::vector<Stuck> FindStuck(Liveness& liveness, const Watched& watched,
                             Liveness::Clock::time_point now);

// Says each thing once, when it is found stuck, and once more when it moves again.
class StuckReporter {
 public:
  // The lines to say now. One thread.
  std::vector<std::string> Lines(const std::vector<Stuck>& stuck);

 private:
  std::map<std::pair<std::string, uint64_t>, std::string> said_;  // where and id -> what
};

}  // namespace infe::server
