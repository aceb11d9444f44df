#include "server/metrics/load_history.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/json.h"
#include "engine/engine.h"

namespace infe::server {
namespace {

std::vector<uint64_t> CountsOf(const Histogram& histogram) {
  std::vector<uint64_t> counts(histogram.bounds().size() + 1);
  for (size_t i = 0; i < counts.size(); ++i) counts[i] = histogram.bucket(i);
  return counts;
}

// A counter that is less than before has begun anew.
uint64_t Grown(uint64_t now, uint64_t before) {
  return now >= before ? now - before : now;
}

std::vector<uint64_t> Grown(const std::vector<uint64_t>& now, const std::vector<uint64_t>& before) {
  if (now.size() != before.size()) return now;
  std::vector<uint64_t> grown(now.size());
  std::transform(now.begin(), now.end(), before.begin(), grown.begin(),
                 [](uint64_t a, uint64_t b) { return Grown(a, b); });
  return grown;
}

std::optional<double> QuantileMs(const std::vector<uint64_t>& now,
                                 const std::vector<uint64_t>& before,
                                 std::span<const double> bounds, double share) {
  const auto seconds = Quantile(Grown(now, before), bounds, share);
  return seconds ? std::optional(1000 * *seconds) : std::nullopt;
}

}  // namespace

std::vector<LoadReading> ReadLoad(Metrics& metrics, const ModelSet& models) {
  std::vector<LoadReading> readings;
  for (const auto& model : models.All()) {
    const engine::Engine* engine = model->backend().engine();
    if (engine == nullptr) continue;  // answered elsewhere
    const engine::EngineStats stats = engine->stats();
    const ModelMetrics& own = metrics.Model(model->name());
    readings.push_back({.model = model->name(),
                        .running = stats.running,
                        .waiting = stats.waiting,
                        .kv_usage = stats.kv_blocks_total == 0
                                        ? 0
                                        : static_cast<double>(stats.kv_blocks_used) /
                                              static_cast<double>(stats.kv_blocks_total),
                        .steps = stats.steps,
                        .prompt_tokens = stats.prompt_tokens,
                        .generated_tokens = stats.generated_tokens,
                        .finished = stats.finished,
                        .step_ms = stats.forward_ms + stats.overhead_ms,
                        .ttft = CountsOf(own.ttft),
                        .inter_token = CountsOf(own.inter_token),
                        .ttft_bounds = own.ttft.bounds(),
                        .inter_token_bounds = own.inter_token.bounds()});
  }
  return readings;
}

std::optional<double> Quantile(std::span<const uint64_t> counts, std::span<const double> bounds,
                               double share) {
  const uint64_t all = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  if (all == 0) return std::nullopt;
  const double rank = share * static_cast<double>(all);
  double below = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    const auto count = static_cast<double>(counts[i]);
    if (count > 0 && below + count >= rank) {
      const double from = i == 0 ? 0 : bounds[i - 1];
      return from + (bounds[i] - from) * std::max(0.0, rank - below) / count;
    }
    below += count;
  }
  return bounds.back();
}

LoadHistory::Point LoadHistory::Close(const Model& model, const LoadReading& now, double seconds) {
  const LoadReading& before = model.before;
  const auto rate = [seconds](uint64_t a, uint64_t b) {
    return static_cast<double>(Grown(a, b)) / seconds;
  };
  Point point;
  point.running = model.running / model.looks;
  point.waiting = model.waiting / model.looks;
  point.kv_usage = model.kv_usage_max;
  point.prompt_tokens = rate(now.prompt_tokens, before.prompt_tokens);
  point.generated_tokens = rate(now.generated_tokens, before.generated_tokens);
  point.finished = rate(now.finished, before.finished);
  const uint64_t steps = Grown(now.steps, before.steps);
  const bool is_anew = now.steps < before.steps;
  if (steps > 0)
    point.step_ms = (now.step_ms - (is_anew ? 0 : before.step_ms)) / static_cast<double>(steps);
  point.ttft_p50_ms = QuantileMs(now.ttft, before.ttft, now.ttft_bounds, 0.5);
  point.ttft_p95_ms = QuantileMs(now.ttft, before.ttft, now.ttft_bounds, 0.95);
  point.inter_token_p50_ms =
      QuantileMs(now.inter_token, before.inter_token, now.inter_token_bounds, 0.5);
  point.inter_token_p95_ms =
      QuantileMs(now.inter_token, before.inter_token, now.inter_token_bounds, 0.95);
  return point;
}

void LoadHistory::Observe(std::span<const LoadReading> readings, int64_t now_s,
                          Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  for (const LoadReading& reading : readings) {
    const auto [at, is_new] = models_.try_emplace(reading.model);
    Model& model = at->second;
    if (is_new) {
      model.before = reading;
      model.begun = now;
      continue;
    }
    model.looks += 1;
    model.running += reading.running;
    model.waiting += reading.waiting;
    model.kv_usage_max = std::max(model.kv_usage_max, reading.kv_usage);
    if (now - model.begun < kInterval) continue;
    const std::chrono::duration<double> took = now - model.begun;
    model.points.push_back(Close(model, reading, took.count()));
    model.points.back().at = now_s;
    if (model.points.size() > kPointsMax) model.points.pop_front();
    model.before = reading;
    model.begun = now;
    model.looks = 0;
    model.running = model.waiting = model.kv_usage_max = 0;
  }
  // One that is served no more goes with its hour.
  std::erase_if(models_, [&](const auto& entry) {
    return now - entry.second.begun > kInterval * static_cast<int>(kPointsMax);
  });
}

const LoadHistory::Column LoadHistory::kColumns[] = {
    {"running", [](const Point& p) { return std::optional(p.running); }},
    {"waiting", [](const Point& p) { return std::optional(p.waiting); }},
    {"kv_usage_ratio", [](const Point& p) { return std::optional(p.kv_usage); }},
    {"prompt_tokens_per_s", [](const Point& p) { return std::optional(p.prompt_tokens); }},
    {"generated_tokens_per_s", [](const Point& p) { return std::optional(p.generated_tokens); }},
    {"finished_per_s", [](const Point& p) { return std::optional(p.finished); }},
    {"step_ms", [](const Point& p) { return p.step_ms; }},
    {"ttft_p50_ms", [](const Point& p) { return p.ttft_p50_ms; }},
    {"ttft_p95_ms", [](const Point& p) { return p.ttft_p95_ms; }},
    {"inter_token_p50_ms", [](const Point& p) { return p.inter_token_p50_ms; }},
    {"inter_token_p95_ms", [](const Point& p) { return p.inter_token_p95_ms; }},
};

std::string LoadHistory::Write() const {
  std::string out = R"({"object":"infe.load_history","interval_s":)";
  AppendJsonNumber(out, static_cast<double>(kInterval.count()));
  out += R"(,"data":[)";
  const std::lock_guard lock(mutex_);
  const char* comma = "";
  for (const auto& [name, model] : models_) {
    out += std::exchange(comma, ",");
    out += R"({"model":)";
    AppendJsonString(out, name);
    const auto column = [&](const char* key, auto append) {
      out += ",\"";
      out += key;
      out += "\":[";
      for (size_t i = 0; i < model.points.size(); ++i) {
        if (i > 0) out += ',';
        append(model.points[i]);
      }
      out += ']';
    };
    column("at", [&](const Point& p) { AppendJsonNumber(out, static_cast<double>(p.at)); });
    for (const Column& one : kColumns)
      column(one.name, [&](const Point& p) {
        const std::optional<double> value = one.read(p);
        // A thousandth of a millisecond, of a token and of the KV memory says enough.
        if (value)
          AppendJsonNumber(out, std::round(*value * 1000) / 1000);
        else
          out += "null";
      });
    out += '}';
  }
  out += "]}";
  return out;
}

}  // namespace infe::server
