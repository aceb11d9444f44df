// JSON as a tree of our own: members keep their order, numbers keep their text (a bound of 30
// digits or 1e999 stays what it is), duplicate keys are refused. Parsing is Boost.JSON's, compiled
// in json.cc only. A Json is a value; copying copies the tree.
//
// Requests become structs at once and do not live on as Json; schemas, tool arguments and template
// contexts do, because they are JSON to their owners as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace infe {

class Json;
using JsonMember = std::pair<std::string, Json>;

struct JsonNumber {
  std::string text;  // exactly as written; always a legal JSON number
};

class Json {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  using Array = std::vector<Json>;
  using Object = std::vector<JsonMember>;  // in the order of the text; keys are unique

  // Out of line, or every file would compile the tree's copies and ends again.
  Json() noexcept;
  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(const Json& other);
  Json& operator=(Json&& other) noexcept;
  ~Json();
  Json(std::nullptr_t) : Json() {}                        // NOLINT: by design
  Json(bool value);                                       // NOLINT
  Json(int value) : Json(static_cast<int64_t>(value)) {}  // NOLINT
  Json(int64_t value);                                    // NOLINT
  Json(uint64_t value);                                   // NOLINT
  Json(double value);                                     // NOLINT: finite; shortest text
  Json(JsonNumber value);                                 // NOLINT
  Json(std::string value);                                // NOLINT
  Json(std::string_view value);                           // NOLINT
  Json(const char* value);                                // NOLINT
  Json(Array value);                                      // NOLINT
  Json(Object value);                                     // NOLINT
  static Json MakeArray();
  static Json MakeObject();

  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_number() const { return kind() == Kind::kNumber; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }

  // The accessors below CHECK the kind.
  bool as_bool() const;
  const std::string& as_string() const;
  const std::string& number_text() const;
  double as_double() const;                 // nearest double; +-inf when out of range
  std::optional<int64_t> as_int64() const;  // of an integral number (1.0 and 1e2 count) that fits
  bool is_integer() const;                  // a number without fraction or exponent in its text
  const Array& array() const;
  Array& array();
  const Object& object() const;
  Object& object();

  const Json* find(std::string_view key) const;  // null when absent or not an object
  Json& set(std::string key, Json value);        // replaces or appends; returns the stored value
  void push_back(Json value);

  bool operator==(const Json& other) const;  // objects by key, numbers by text

  // Compact: {"a":1,"b":[true]}. Strings are escaped as RFC 8259 asks and otherwise left as UTF-8.
  std::string Dump() const;
  void DumpTo(std::string& out) const;

 private:
  std::variant<std::monostate, bool, JsonNumber, std::string, Array, Object> value_;
};

struct JsonLimits {
  size_t depth = 64;                  // arrays and objects inside each other
  bool allow_duplicate_keys = false;  // if so, the last one wins
};

// Strict RFC 8259: UTF-8 checked, nothing after the value, no NaN, no comments; at most 2^18 values
// (json.cc tells why). The error names the byte offset and what is wrong there.
Result<Json> ParseJson(std::string_view text, const JsonLimits& limits = {});

// Appends text as a JSON string with its quotes. Invalid UTF-8 is replaced by U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);
// Shortest text that reads back as the same double; "null" when not finite.
void AppendJsonNumber(std::string& out, double value);

}  // namespace infe
