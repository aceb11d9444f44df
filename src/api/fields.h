// Reading one JSON object of a request into a struct. Each accessor validates its field once and
// notes the first ApiError in the ParseContext; after an error it returns "absent", so parse
// functions read straight down and ask failed() at the end. null counts as absent everywhere.
//
// What no accessor asked for is unknown: Finish() lists it as ignored, or refuses it under
// strict_params. Internal to api/.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/api_error.h"
#include "api/openai/ignored_params.h"
#include "api/parse_options.h"
#include "base/json.h"

namespace infe::api {

class ParseContext {
 public:
  // options must outlive the context.
  explicit ParseContext(const ParseOptions& options) : options_(options) {}

  const ParseOptions& options() const { return options_; }
  void Fail(ApiError error) {
    if (!error_) error_ = std::move(error);
  }
  bool failed() const { return error_.has_value(); }
  ApiError TakeError() { return *std::move(error_); }
  void Ignore(std::string_view path) { ignored_.Add(path); }
  // Whether one more unknown field would change anything: a body may hold a million of them.
  bool wants_unknown() const { return !failed() && (options_.strict_params || !ignored_.full()); }
  // A field that the API does not know.
  void Unknown(std::string_view path);
  IgnoredParams TakeIgnored() { return std::move(ignored_); }

 private:
  const ParseOptions& options_;
  std::optional<ApiError> error_;
  IgnoredParams ignored_;
};

// "a string", "an integer", "a decimal number", ...: what a value is, for invalid_type.
std::string_view TypeName(const Json& value);
// Characters (code points) of well-formed UTF-8.
size_t CountCharacters(std::string_view text);
// [A-Za-z0-9_-]{1,64}
bool IsValidName(std::string_view name);
// path + "[i]"
std::string Indexed(std::string_view path, size_t index);

struct DecimalRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};
struct IntegerRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

template <typename E>
struct EnumName {
  std::string_view name;
  E value;
};

// One value on its own, for array items and the like; nothing on error.
std::optional<double> ReadDecimal(const Json& value, std::string_view path, DecimalRange range,
                                  ParseContext& context);
std::optional<int64_t> ReadInteger(const Json& value, std::string_view path, IntegerRange range,
                                   ParseContext& context);
std::optional<std::string> ReadString(const Json& value, std::string_view path,
                                      ParseContext& context);

class Fields {
 public:
  // object: a JSON object that outlives this. path: "" for the body itself.
  Fields(const Json& object, std::string path, ParseContext& context);

  std::string Path(std::string_view name) const;
  ParseContext& context() const { return context_; }

  // Whether it is there at all, be it null.
  bool IsWritten(std::string_view name) const { return Find(name).has_value(); }
  // The field's value, or null if absent or JSON null. Marks it as known.
  const Json* Take(std::string_view name);
  // The same, and absence is an error.
  const Json* Require(std::string_view name);
  const Json* TakeObject(std::string_view name);
  const Json* TakeArray(std::string_view name);
  const Json* RequireObject(std::string_view name);
  const Json* RequireArray(std::string_view name);

  std::optional<bool> Bool(std::string_view name);
  std::optional<double> Decimal(std::string_view name, DecimalRange range);
  std::optional<int64_t> Integer(std::string_view name, IntegerRange range);
  // characters_max: 0 for no limit.
  std::optional<std::string> String(std::string_view name, size_t characters_max = 0);
  std::string RequireString(std::string_view name);  // "" on error

  template <typename E, size_t N>
  std::optional<E> Enum(std::string_view name, const std::array<EnumName<E>, N>& names) {
    const Json* value = Take(name);
    if (value == nullptr) return std::nullopt;
    const std::optional<std::string> text = ReadString(*value, Path(name), context_);
    if (!text) return std::nullopt;
    std::array<std::string_view, N> supported;
    for (size_t i = 0; i < N; ++i) {
      if (names[i].name == *text) return names[i].value;
      supported[i] = names[i].name;
    }
    context_.Fail(InvalidEnum(Path(name), *text, supported));
    return std::nullopt;
  }

  // Known to us, without effect here: listed when present.
  void Hint(std::string_view name);
  // Known to OpenAI or a peer and not implemented: a 400 when present.
  void Refuse(std::string_view name, std::string_view reason = {});
  // Everything that was not asked for.
  void Finish();

 private:
  static constexpr size_t kIndexFrom = 24;  // members; below that a linear search is quicker

  std::optional<size_t> Find(std::string_view name) const;
  const Json* WithKind(const Json* value, std::string_view name, Json::Kind kind);

  const Json::Object& members_;
  std::string path_;
  ParseContext& context_;
  std::vector<bool> known_;
  std::unordered_map<std::string_view, size_t> index_;  // keys belong to members_
};

}  // namespace infe::api
