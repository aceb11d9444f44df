// The query of a URL: names with one value or several. Lists come as the official clients send
// them, name[]=a&name[]=b, or as name=a&name=b; a nested field as name[gte]=1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/fields.h"
#include "api/parsed.h"

namespace infe::api {

class QueryString {
 public:
  // Bounds what a list may hold; a URL is bounded anyway.
  static constexpr size_t kParametersMax = 256;

  // query: after '?', escapes as sent. 400 for a broken escape or bytes that are no UTF-8.
  static Parsed<QueryString> Parse(std::string_view query);

  // The last value of name; nothing if there is none or it is empty.
  std::optional<std::string> Find(std::string_view name) const;
  std::vector<std::string> List(std::string_view name) const;  // of name and name[]
  // name[key]=value, as key and value.
  std::vector<std::pair<std::string, std::string>> Members(std::string_view name) const;
  Parsed<std::optional<int64_t>> Integer(std::string_view name, IntegerRange range) const;
  Parsed<std::optional<bool>> Bool(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace infe::api
