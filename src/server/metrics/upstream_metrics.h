// What /metrics tells of other servers (docs/gateway.md): each is a label, by the operator's name.
#pragma once

#include <chrono>
#include <memory>
#include <span>

#include "server/metrics/prometheus_text.h"
#include "upstream/upstream.h"

namespace infe::server {

void WriteUpstreams(PrometheusText& text,
                    std::span<const std::shared_ptr<upstream::Upstream>> upstreams,
                    std::chrono::steady_clock::time_point now);

}  // namespace infe::server
