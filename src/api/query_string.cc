#include "api/query_string.h"

#include <charconv>

#include "base/utf8.h"

namespace infe::api {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Escapes and '+' decoded; nothing for a broken escape.
std::optional<std::string> Decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!IsValidUtf8(out)) return std::nullopt;
  return out;
}

}  // namespace

Parsed<QueryString> QueryString::Parse(std::string_view query) {
  QueryString parsed;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto name = Decode(pair.substr(0, equals));
    auto value =
        Decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    if (!name || !value)
      return InvalidValue(Quoted(pair), "The query of the URL is not properly encoded.");
    if (parsed.parameters_.size() == kParametersMax)
      return ArrayTooLong(Quoted(*name), kParametersMax, kParametersMax + 1);
    parsed.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return parsed;
}

std::optional<std::string> QueryString::Find(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [key, value] : parameters_)
    if (key == name && !value.empty()) found = value;
  return found;
}

std::vector<std::string> QueryString::List(std::string_view name) const {
  const std::string brackets = std::string(name) + "[]";
  std::vector<std::string> values;
  for (const auto& [key, value] : parameters_)
    if (key == name || key == brackets) values.push_back(value);
  return values;
}

std::vector<std::pair<std::string, std::string>> QueryString::Members(std::string_view name) const {
  const std::string opening = std::string(name) + '[';
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& [key, value] : parameters_)
    if (key.starts_with(opening) && key.back() == ']')
      members.emplace_back(key.substr(opening.size(), key.size() - opening.size() - 1), value);
  return members;
}

Parsed<std::optional<int64_t>> QueryString::Integer(std::string_view name,
                                                    IntegerRange range) const {
  const auto text = Find(name);
  if (!text) return std::optional<int64_t>();
  int64_t value = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (ec != std::errc() || end != text->data() + text->size())
    return InvalidType(name, "an integer", "a string");
  if (value < range.min) return IntegerBelowMin(name, range.min, *text);
  if (value > range.max) return IntegerAboveMax(name, range.max, *text);
  return std::optional(value);
}

Parsed<std::optional<bool>> QueryString::Bool(std::string_view name) const {
  const auto text = Find(name);
  if (!text) return std::optional<bool>();
  if (*text != "true" && *text != "false") return InvalidType(name, "a boolean", "a string");
  return std::optional(*text == "true");
}

}  // namespace infe::api
