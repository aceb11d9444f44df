#include "server/metrics/prometheus_text.h"

#include <array>
#include <charconv>

namespace infe::server {
namespace {

template <typename Number>
void AppendLine(std::string& text, Number value) {
  std::array<char, 32> digits;  // the shortest text of a double has at most 24
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  text.append(digits.data(), end);
  text += '\n';
}

}  // namespace

std::string EscapedLabel(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

void PrometheusText::Family(std::string_view name, std::string_view type, std::string_view help) {
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void PrometheusText::Samples(std::string_view name, std::string_view labels,
                             const Histogram& histogram) {
  uint64_t count = 0;
  for (size_t i = 0; i < histogram.limit_labels().size(); ++i) {
    count += histogram.bucket(i);
    Begin(name, "_bucket", labels, histogram.limit_labels()[i]);
    Append(count);
  }
  Begin(name, "_sum", labels, {});
  Append(histogram.sum());
  Begin(name, "_count", labels, {});
  Append(count);
}

void PrometheusText::Begin(std::string_view name, std::string_view suffix, std::string_view labels,
                           std::string_view more) {
  text_.append(name).append(suffix);
  if (!labels.empty() || !more.empty()) {
    text_ += '{';
    text_.append(labels);
    if (!labels.empty() && !more.empty()) text_ += ',';
    text_.append(more);
    text_ += '}';
  }
  text_ += ' ';
}

void PrometheusText::Append(uint64_t value) {
  AppendLine(text_, value);
}
void PrometheusText::Append(int64_t value) {
  AppendLine(text_, value);
}
void PrometheusText::Append(double value) {
  AppendLine(text_, value);
}

}  // namespace infe::server
