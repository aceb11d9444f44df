#include "server/metrics/upstream_metrics.h"

#include <string>

#include <fmt/format.h>

namespace infe::server {
namespace {

using State = upstream::Breaker::State;

std::string_view Name(State state) {
  switch (state) {
    case State::kClosed:
      return "serving";
    case State::kOpen:
      return "resting";
    case State::kTrying:
      return "trying";
  }
  return "serving";
}

}  // namespace

void WriteUpstreams(PrometheusText& text,
                    std::span<const std::shared_ptr<upstream::Upstream>> upstreams,
                    std::chrono::steady_clock::time_point now) {
  if (upstreams.empty()) return;
  const auto label = [](const auto& one) {
    return fmt::format("upstream=\"{}\"", EscapedLabel(one->name()));
  };
  text.Family("infe_upstream_state", "gauge", "1 for the state that a server is in.");
  for (const auto& one : upstreams)
    for (const State state : {State::kClosed, State::kOpen, State::kTrying})
      text.Sample("infe_upstream_state", fmt::format("{},state=\"{}\"", label(one), Name(state)),
                  one->state() == state ? 1 : 0);
  text.Family("infe_upstream_busy", "gauge",
              "1 while a server is asked last, as it has said when to come again.");
  for (const auto& one : upstreams)
    text.Sample("infe_upstream_busy", label(one), one->IsBusy(now) ? 1 : 0);
  text.Family("infe_upstream_running", "gauge", "Requests under way at a server.");
  for (const auto& one : upstreams)
    text.Sample("infe_upstream_running", label(one), one->outstanding());
  text.Family("infe_upstream_requests_total", "counter",
              "Requests sent to a server, each attempt, by what became of them.");
  for (const auto& one : upstreams) {
    const upstream::UpstreamCounts counts = one->counts();
    const auto outcome = [&](const char* name, uint64_t count) {
      text.Sample("infe_upstream_requests_total",
                  fmt::format("{},outcome=\"{}\"", label(one), name), count);
    };
    outcome("answered", counts.answered);
    outcome("refused", counts.refused);
    outcome("failed", counts.failed);
    outcome("left", counts.left);
  }
}

}  // namespace infe::server
