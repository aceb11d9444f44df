// The last hour of each model's load, for whoever looks when something has been slow already: a
// point every ten seconds, made of what /metrics tells (docs/operations.md). Nothing that is not
// told there is kept, and nothing of it outlives the process.
//
//   Observe, every second --> sums of the interval --> a point --> a ring of an hour
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/metrics/metrics.h"
#include "server/models/model_set.h"

namespace infe::server {

// What one model's counters say now.
struct LoadReading {
  std::string model = {};
  uint32_t running = 0, waiting = 0;  // sequences
  double kv_usage = 0;                // 0 to 1
  // Since the model was loaded: they begin anew when it is loaded again.
  uint64_t steps = 0, prompt_tokens = 0, generated_tokens = 0, finished = 0;
  double step_ms = 0;  // of all steps together
  // Counts by bucket, the last one without a bound, and the bounds of the others in seconds, which
  // outlive the history.
  std::vector<uint64_t> ttft = {}, inter_token = {};
  std::span<const double> ttft_bounds = {}, inter_token_bounds = {};
};

// Of every model that computes here. Takes no engine's lock for longer than a copy of its counters.
std::vector<LoadReading> ReadLoad(Metrics& metrics, const ModelSet& models);

// The value that a share of all observations does not exceed, linear within its bucket as
// Prometheus has it; beyond the last bound, that bound. Nothing without observations.
std::optional<double> Quantile(std::span<const uint64_t> counts, std::span<const double> bounds,
                               double share);

// Thread-safe.
class LoadHistory {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kInterval{10};
  static constexpr size_t kPointsMax = 360;  // an hour

  // now_s: Unix seconds, what a point is dated by; now: what intervals are measured by.
  void Observe(std::span<const LoadReading> readings, int64_t now_s, Clock::time_point now);
  // {"object":"infe.load_history","interval_s","data":[{"model","at":[...],"running":[...],...}]},
  // points from the oldest on. Times in milliseconds; null where nothing was measured.
  std::string Write() const;

 private:
  struct Point {
    int64_t at = 0;                                                // Unix seconds, of its end
    double running = 0, waiting = 0;                               // mean of the interval
    double kv_usage = 0;                                           // most of the interval
    double prompt_tokens = 0, generated_tokens = 0, finished = 0;  // per second
    std::optional<double> step_ms, ttft_p50_ms, ttft_p95_ms, inter_token_p50_ms, inter_token_p95_ms;
  };
  struct Model {
    LoadReading before = {};  // where the interval began
    Clock::time_point begun{};
    uint32_t looks = 0;
    double running = 0, waiting = 0, kv_usage_max = 0;  // sums over the looks, but for the last
    std::deque<Point> points = {};
  };
  struct Column {
    const char* name;
    std::optional<double> (*read)(const Point&);
  };
  static const Column kColumns[];

  static Point Close(const Model& model, const LoadReading& now, double seconds);

  mutable std::mutex mutex_;
  std::map<std::string, Model> models_;  // guarded by mutex_
};

}  // namespace infe::server
