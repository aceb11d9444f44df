#include "server/metrics/metrics.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe::server {
namespace {

// The buckets that vLLM's dashboards expect.
constexpr double kTtftBounds[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                  1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
constexpr double kInterTokenBounds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                        0.3,   0.4,  0.5,   0.75, 1,     2.5, 5,    10};
constexpr double kTotalBounds[] = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                   30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
constexpr double kTokensBounds[] = {1,   2,    5,    10,   20,    50,    100,   200,
                                    500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

constexpr double kChoicesBounds[] = {1, 2, 5, 10, 20};

}  // namespace

Finish ToFinish(std::string_view reason) {
  if (reason == "length") return Finish::kLength;
  if (reason == "tool_calls" || reason == "function_call") return Finish::kToolCalls;
  return Finish::kStop;
}

ModelMetrics::ModelMetrics()
    : ttft(kTtftBounds),
      inter_token(kInterTokenBounds),
      token_mean(kInterTokenBounds),
      total(kTotalBounds),
      queue(kTotalBounds),
      prefill(kTotalBounds),
      decode(kTotalBounds),
      inference(kTotalBounds),
      prompt_tokens(kTokensBounds),
      completion_tokens(kTokensBounds),
      choices(kChoicesBounds),
      tokens_max(kTokensBounds) {}

void ModelMetrics::Add(const GenerationFacts& facts) {
  finished[static_cast<size_t>(facts.finish)].fetch_add(1, std::memory_order_relaxed);
  if (facts.finish == Finish::kAbort || facts.finish == Finish::kError) return;
  total.Observe(facts.total_s);
  queue.Observe(facts.queue_s);
  prefill.Observe(facts.prefill_s);
  decode.Observe(facts.decode_s);
  inference.Observe(facts.prefill_s + facts.decode_s);
  choices.Observe(facts.choices);
  if (facts.tokens_max > 0) tokens_max.Observe(facts.tokens_max);
  prompt_tokens.Observe(facts.prompt_tokens);
  completion_tokens.Observe(facts.completion_tokens);
  if (facts.ttft_s <= 0) return;
  ttft.Observe(facts.ttft_s);
  if (facts.completion_tokens > 1 && facts.total_s > facts.ttft_s)
    token_mean.Observe((facts.total_s - facts.ttft_s) / (facts.completion_tokens - 1));
}

std::span<const double> Metrics::SecondsBounds() {
  return kTtftBounds;
}

void Metrics::AddExchange(std::string_view method, std::string_view route, int status,
                          double seconds) {
  exchange_seconds_.Observe(seconds);
  RouteKey key{std::string(method), std::string(route), status};
  {
    std::shared_lock lock(mutex_);
    if (const auto found = exchanges_.find(key); found != exchanges_.end()) {
      found->second.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
  std::unique_lock lock(mutex_);
  exchanges_[std::move(key)].fetch_add(1, std::memory_order_relaxed);
}

ModelMetrics& Metrics::Model(const std::string& name) {
  {
    std::shared_lock lock(mutex_);
    if (const auto found = models_.find(name); found != models_.end()) return *found->second;
  }
  std::unique_lock lock(mutex_);
  auto& made = models_[name];
  if (!made) made = std::make_unique<ModelMetrics>();
  return *made;
}

std::map<Metrics::RouteKey, uint64_t> Metrics::Exchanges() const {
  std::map<RouteKey, uint64_t> copy;
  std::shared_lock lock(mutex_);
  for (const auto& [key, count] : exchanges_) copy.emplace(key, count.load());
  return copy;
}

}  // namespace infe::server
