// JSON written as text, member by member, without a tree. Internal to api/.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace infe::api {

inline void AppendInteger(std::string& out, int64_t value) {
  char buffer[24];
  const auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end);
}

// The shortest text that reads back as the same float: 17 digits of a widened float say nothing.
inline void AppendFloat(std::string& out, float value) {
  char buffer[24];
  const auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end);
}

// Three decimals at most: timings are measured in microseconds.
inline void AppendThousandths(std::string& out, double value) {
  if (!std::isfinite(value) || std::abs(value) > 1e12) value = 0;
  AppendJsonNumber(out, std::round(value * 1000) / 1000);
}

// An object, one call per member: {"a":1,"b":"x"}. Keys are literals and are not escaped.
class ObjectText {
 public:
  explicit ObjectText(std::string& out) : out_(out) { out_ += '{'; }

  // The key with its colon; the caller appends the value to the string returned.
  std::string& Key(std::string_view key) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += key;
    out_ += "\":";
    return out_;
  }
  void String(std::string_view key, std::string_view value) { AppendJsonString(Key(key), value); }
  void Integer(std::string_view key, int64_t value) { AppendInteger(Key(key), value); }
  void Thousandths(std::string_view key, double value) { AppendThousandths(Key(key), value); }
  void Null(std::string_view key) { Key(key) += "null"; }
  void Close() { out_ += '}'; }

 private:
  std::string& out_;  // the caller's, which outlives this
  bool first_ = true;
};

}  // namespace infe::api
