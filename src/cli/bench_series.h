// Repeated measurements of one quantity: the machine is never quiet, so a number alone says little.
#pragma once

#include <algorithm>
#include <vector>

namespace infe::cli {

class Series {
 public:
  void Add(double value) { values_.insert(std::ranges::upper_bound(values_, value), value); }
  bool empty() const { return values_.empty(); }
  // The middle value, or the mean of the two middle ones; 0 of an empty series, as the others.
  double Median() const {
    const size_t n = values_.size();
    return n == 0 ? 0 : (values_[(n - 1) / 2] + values_[n / 2]) / 2;
  }
  double Min() const { return values_.empty() ? 0 : values_.front(); }
  double Max() const { return values_.empty() ? 0 : values_.back(); }

 private:
  std::vector<double> values_;  // ascending
};

}  // namespace infe::cli
