#include "base/histogram.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe {
namespace {

std::vector<std::string> LimitLabels(std::span<const double> bounds) {
  std::vector<std::string> labels;
  for (const double bound : bounds) labels.push_back(fmt::format("le=\"{}\"", bound));
  labels.emplace_back("le=\"+Inf\"");
  return labels;
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds), limit_labels_(LimitLabels(bounds)), buckets_(bounds.size() + 1) {}

void Histogram::Observe(double value, uint64_t count) {
  const auto place = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[static_cast<size_t>(place - bounds_.begin())].fetch_add(count,
                                                                   std::memory_order_relaxed);
  sum_.fetch_add(value * static_cast<double>(count), std::memory_order_relaxed);
}

}  // namespace infe
