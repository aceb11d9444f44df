// Writes the Prometheus text format 0.0.4 into one buffer. Routers scrape as often as every 50 ms,
// so a sample costs no allocation of its own.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/metrics/metrics.h"

namespace infe::server {

// A label's value: backslash, quote and line feed are escaped.
std::string EscapedLabel(std::string_view text);

class PrometheusText {
 public:
  explicit PrometheusText(size_t bytes_expected) { text_.reserve(bytes_expected); }

  void Family(std::string_view name, std::string_view type, std::string_view help);
  // labels: `name="value",...`, escaped, or empty.
  template <std::integral Number>
  void Sample(std::string_view name, std::string_view labels, Number value) {
    Begin(name, {}, labels, {});
    if constexpr (std::signed_integral<Number>)
      Append(static_cast<int64_t>(value));
    else
      Append(static_cast<uint64_t>(value));
  }
  void Sample(std::string_view name, std::string_view labels, double value) {
    Begin(name, {}, labels, {});
    Append(value);
  }
  void Samples(std::string_view name, std::string_view labels, const Histogram& histogram);
  std::string Take() { return std::move(text_); }

 private:
  // name, suffix, {labels,more}, and the space before the number.
  void Begin(std::string_view name, std::string_view suffix, std::string_view labels,
             std::string_view more);
  void Append(uint64_t value);
  void Append(int64_t value);
  void Append(double value);
  std::string text_;
};

}  // namespace infe::server
