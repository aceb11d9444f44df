// What the server counts of itself: counters and histograms that any thread adds to without waiting
// for a scrape. Numbers of the engines are not copied here: a scrape reads Engine::stats().
//
// Labels have few values by construction: routes are patterns, models are those being served.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"

namespace infe::server {

// How one generation ended, as vllm:request_success_total names it, and ours beside it.
enum class Finish { kStop, kLength, kToolCalls, kAbort, kError };
inline constexpr std::array<const char*, 5> kFinishNames = {"stop", "length", "tool_calls", "abort",
                                                            "error"};
Finish ToFinish(std::string_view finish_reason);

// One finished generation. Times in seconds; a time of 0 is unknown and not counted.
struct GenerationFacts {
  Finish finish = Finish::kStop;
  double total_s = 0, queue_s = 0, prefill_s = 0, decode_s = 0, ttft_s = 0;
  uint32_t prompt_tokens = 0, completion_tokens = 0;
  uint32_t choices = 1, tokens_max = 0;  // as the request asked; 0: it did not say
};

struct ModelMetrics {
  ModelMetrics();
  void Add(const GenerationFacts& facts);
  Histogram ttft, inter_token, token_mean, total, queue, prefill, decode, inference;
  Histogram prompt_tokens, completion_tokens, choices, tokens_max;
  std::array<std::atomic<uint64_t>, kFinishNames.size()> finished{};
};

// By which limit of its key a request was refused.
enum class LimitSeries { kRequests, kTokens, kConcurrent, kQuota };
inline constexpr std::array<const char*, 4> kLimitNames = {"requests", "tokens", "concurrent",
                                                           "quota"};

// Why the server refused a request of its own accord.
enum class Rejection {
  kQueueRequests,
  kQueueTokens,
  kTasks,
  kKeyTasks,  // by its key's own bound in the task pools
  kLedger,
  kDraining,
  kLoading,
  kKeys
};
inline constexpr std::array<const char*, 8> kRejectionNames = {
    "queue_requests", "queue_tokens", "tasks",   "key_tasks",
    "ledger",         "draining",     "loading", "wrong_keys"};

class Metrics {
 public:
  void AddExchange(std::string_view method, std::string_view route, int status, double seconds);
  void AddRateLimited(LimitSeries kind) { rate_limited_[static_cast<size_t>(kind)] += 1; }
  void AddRejected(Rejection reason) { rejected_[static_cast<size_t>(reason)] += 1; }
  void AddReload(bool worked) { (worked ? reloads_ : reload_failures_) += 1; }
  // Of a model that is served; made on first use, kept for good.
  ModelMetrics& Model(const std::string& name);

  struct RouteKey {
    std::string method, route;
    int status = 0;
    auto operator<=>(const RouteKey&) const = default;
  };
  std::map<RouteKey, uint64_t> Exchanges() const;
  const Histogram& exchange_seconds() const { return exchange_seconds_; }
  uint64_t rate_limited(size_t kind) const { return rate_limited_[kind]; }
  uint64_t rejected(size_t reason) const { return rejected_[reason]; }
  uint64_t reloads() const { return reloads_; }
  uint64_t reload_failures() const { return reload_failures_; }

 private:
  mutable std::shared_mutex mutex_;  // of the maps' shape only: the values are atomic
  std::map<RouteKey, std::atomic<uint64_t>> exchanges_;
  std::map<std::string, std::unique_ptr<ModelMetrics>> models_;
  Histogram exchange_seconds_{SecondsBounds()};
  std::array<std::atomic<uint64_t>, kLimitNames.size()> rate_limited_{};
  std::array<std::atomic<uint64_t>, kRejectionNames.size()> rejected_{};
  std::atomic<uint64_t> reloads_{0}, reload_failures_{0};

  static std::span<const double> SecondsBounds();
};

}  // namespace infe::server
