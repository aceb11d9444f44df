// A histogram of fixed buckets that any thread adds to without waiting, in the shape that
// Prometheus' text format wants.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace infe {

class Histogram {
 public:
  // bounds: ascending upper limits, inclusive, of all buckets but the last; outlive the histogram.
  explicit Histogram(std::span<const double> bounds);
  // count: of how many things this is the value of each.
  void Observe(double value, uint64_t count = 1);

  // `le="0.5"` of each bucket, `le="+Inf"` of the last.
  const std::vector<std::string>& limit_labels() const { return limit_labels_; }
  std::span<const double> bounds() const { return bounds_; }
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::span<const double> bounds_;
  const std::vector<std::string> limit_labels_;
  std::vector<std::atomic<uint64_t>> buckets_;  // not cumulative; the last has no bound
  std::atomic<double> sum_{0};
};

}  // namespace infe
