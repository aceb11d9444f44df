#include "server/metrics/upstream_metrics.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace infe::server {
namespace {

using upstream::Upstream;
using Seat = Upstream::Seat;

constexpr upstream::Breaker::Time kNow{std::chrono::hours(1)};

std::shared_ptr<Upstream> Named(std::string name) {
  upstream::UpstreamOptions options;
  options.name = std::move(name);
  return std::make_shared<Upstream>(options);
}

std::string Written(const std::vector<std::shared_ptr<Upstream>>& upstreams) {
  PrometheusText text(1024);
  WriteUpstreams(text, upstreams, kNow);
  return text.Take();
}

TEST(UpstreamMetrics, WithoutUpstreamsThereIsNoFamily) {
  EXPECT_EQ(Written({}), "");
}

TEST(UpstreamMetrics, StateLoadAndOutcomesAreThereForEach) {
  const auto a = Named("gpu-a"), b = Named("gpu-b");
  Seat(a).Tell(Upstream::Outcome::kAnswered, kNow);
  {
    const Seat left(a);
  }
  Seat(b).Tell(Upstream::Outcome::kRefused, kNow);
  for (uint32_t i = 0; i < upstream::Breaker::kFailuresMax; ++i)
    Seat(b).Tell(Upstream::Outcome::kFailed, kNow);
  b->SetBusyUntil(kNow + std::chrono::seconds(1));
  const Seat running(a);
  const std::string text = Written({a, b});
  for (const char* line : {
           "infe_upstream_state{upstream=\"gpu-a\",state=\"serving\"} 1\n",
           "infe_upstream_state{upstream=\"gpu-a\",state=\"resting\"} 0\n",
           "infe_upstream_state{upstream=\"gpu-b\",state=\"serving\"} 0\n",
           "infe_upstream_state{upstream=\"gpu-b\",state=\"resting\"} 1\n",
           "infe_upstream_busy{upstream=\"gpu-a\"} 0\n",
           "infe_upstream_busy{upstream=\"gpu-b\"} 1\n",
           "infe_upstream_running{upstream=\"gpu-a\"} 1\n",
           "infe_upstream_running{upstream=\"gpu-b\"} 0\n",
           "infe_upstream_requests_total{upstream=\"gpu-a\",outcome=\"answered\"} 1\n",
           "infe_upstream_requests_total{upstream=\"gpu-a\",outcome=\"left\"} 1\n",
           "infe_upstream_requests_total{upstream=\"gpu-b\",outcome=\"refused\"} 1\n",
           "infe_upstream_requests_total{upstream=\"gpu-b\",outcome=\"failed\"} 3\n",
       })
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

}  // namespace
}  // namespace infe::server
