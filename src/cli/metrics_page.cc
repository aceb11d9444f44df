#include "cli/metrics_page.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace infe::cli {
namespace {

// Larger counts are none of infe's: ten terabytes, and the sum of all that a page may hold is still
// below 2^64.
constexpr double kValueMax = 1e13;

// "1.5", "+Inf", "NaN"; what is no number is absent.
std::optional<double> ParseValue(std::string_view text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// name="value",... behind the brace; `at` is then behind the closing one. False: it breaks off.
bool ParseLabels(std::string_view line, size_t& at, MetricsPage::Labels& labels) {
  while (at < line.size() && line[at] != '}') {
    const size_t equals = line.find("=\"", at);
    if (equals == std::string_view::npos) return false;
    const std::string_view name = line.substr(at, equals - at);
    std::string value;
    for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
      if (line[at] == '\\' && at + 1 < line.size()) {
        ++at;
        value += line[at] == 'n' ? '\n' : line[at];
      } else {
        value += line[at];
      }
    }
    if (at == line.size()) return false;
    ++at;
    if (at < line.size() && line[at] == ',') ++at;
    labels.emplace_back(name, std::move(value));
  }
  return at++ < line.size();
}

const std::string* Find(const MetricsPage::Labels& labels, std::string_view name) {
  for (const auto& [label, value] : labels)
    if (label == name) return &value;
  return nullptr;
}

bool HasAll(const MetricsPage::Labels& labels, const MetricsPage::Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& want) {
    const std::string* value = Find(labels, want.first);
    return value != nullptr && *value == want.second;
  });
}

}  // namespace

MetricsPage MetricsPage::Parse(std::string_view text) {
  MetricsPage page;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    size_t at = std::min(line.find_first_of("{ "), line.size());
    const std::string_view family = line.substr(0, at);
    Sample sample;
    if (at < line.size() && line[at] == '{' && !ParseLabels(line, ++at, sample.labels)) continue;
    while (at < line.size() && line[at] == ' ') ++at;
    const std::string_view rest = line.substr(at);
    const auto value = ParseValue(rest.substr(0, rest.find(' ')));  // a time may follow
    if (!value || !(std::abs(*value) <= kValueMax)) continue;
    sample.value = *value;
    page.families_[std::string(family)].push_back(std::move(sample));
  }
  return page;
}

std::optional<double> MetricsPage::Sum(std::string_view family, const Labels& labels) const {
  const auto found = families_.find(family);
  if (found == families_.end()) return std::nullopt;
  std::optional<double> sum;
  for (const Sample& sample : found->second)
    if (HasAll(sample.labels, labels)) sum = sum.value_or(0) + sample.value;
  return sum;
}

MetricsPage::Buckets MetricsPage::Histogram(std::string_view family, const Labels& labels) const {
  Buckets buckets;
  const auto found = families_.find(std::string(family) + "_bucket");
  if (found == families_.end()) return buckets;
  std::map<double, double> cumulative;  // by bound; of several series the sum
  for (const Sample& sample : found->second) {
    const std::string* bound = Find(sample.labels, "le");
    if (bound == nullptr || !HasAll(sample.labels, labels)) continue;
    if (const auto limit = ParseValue(*bound)) cumulative[*limit] += sample.value;
  }
  double below = 0;
  for (const auto& [bound, count] : cumulative) {
    if (bound < std::numeric_limits<double>::infinity()) buckets.bounds.push_back(bound);
    buckets.counts.push_back(std::max(0.0, count - below));
    below = count;
  }
  // Without the last bucket it is no whole histogram.
  if (buckets.counts.size() != buckets.bounds.size() + 1) return {};
  return buckets;
}

std::vector<std::string> MetricsPage::ValuesOf(std::string_view family,
                                               std::string_view label) const {
  std::vector<std::string> values;
  const auto found = families_.find(family);
  if (found == families_.end()) return values;
  for (const Sample& sample : found->second)
    if (const std::string* value = Find(sample.labels, label);
        value != nullptr && std::find(values.begin(), values.end(), *value) == values.end())
      values.push_back(*value);
  return values;
}

}  // namespace infe::cli
