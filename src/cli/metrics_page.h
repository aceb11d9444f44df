// What a server's /metrics says: Prometheus' text format, read as far as infe writes it. Lines that
// are none are left out, so that another version's page is still of use.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace infe::cli {

class MetricsPage {
 public:
  static MetricsPage Parse(std::string_view text);

  using Labels = std::vector<std::pair<std::string, std::string>>;
  // The sum of all series of this family that have all of these labels; absent if there is none.
  std::optional<double> Sum(std::string_view family, const Labels& labels = {}) const;
  // Of a histogram: counts by bucket, not cumulative, the last without a bound; and the bounds of
  // the others. Both empty if there is none.
  struct Buckets {
    std::vector<double> bounds = {};
    std::vector<double> counts = {};
  };
  Buckets Histogram(std::string_view family, const Labels& labels) const;
  // Every value that this label has in the family, in the order of the page.
  std::vector<std::string> ValuesOf(std::string_view family, std::string_view label) const;

 private:
  struct Sample {
    Labels labels;
    double value = 0;
  };
  std::map<std::string, std::vector<Sample>, std::less<>> families_;
};

}  // namespace infe::cli
