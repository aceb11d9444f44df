#include "api/fields.h"

#include <fmt/format.h>

#include "api/openai/neutral_fields.h"

namespace infe::api {
namespace {

// An object's keys are the client's: in a param they are cut, or it could be as long as the body.
std::string Joined(std::string_view path, std::string_view name) {
  return path.empty() ? Quoted(name) : fmt::format("{}.{}", path, Quoted(name));
}

}  // namespace

void ParseContext::Unknown(std::string_view path) {
  if (options_.strict_params) {
    Fail(UnknownParameter(path));
  } else {
    Ignore(path);
  }
}

std::string_view TypeName(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return "null";
    case Json::Kind::kBool:
      return "a boolean";
    case Json::Kind::kNumber:
      return value.is_integer() ? "an integer" : "a decimal number";
    case Json::Kind::kString:
      return "a string";
    case Json::Kind::kArray:
      return "an array";
    case Json::Kind::kObject:
      return "an object";
  }
  return "null";
}

size_t CountCharacters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

bool IsValidName(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return false;
  for (const char c : name) {
    const bool allowed = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!allowed) return false;
  }
  return true;
}

std::string Indexed(std::string_view path, size_t index) {
  return fmt::format("{}[{}]", path, index);
}

std::optional<double> ReadDecimal(const Json& value, std::string_view path, DecimalRange range,
                                  ParseContext& context) {
  if (!value.is_number()) {
    context.Fail(InvalidType(path, "a decimal number", TypeName(value)));
    return std::nullopt;
  }
  const double number = value.as_double();
  if (number > range.max) {
    context.Fail(DecimalAboveMax(path, range.max, value.number_text()));
    return std::nullopt;
  }
  if (number < range.min) {
    context.Fail(DecimalBelowMin(path, range.min, value.number_text()));
    return std::nullopt;
  }
  return number;
}

std::optional<int64_t> ReadInteger(const Json& value, std::string_view path, IntegerRange range,
                                   ParseContext& context) {
  if (!value.is_number()) {
    context.Fail(InvalidType(path, "an integer", TypeName(value)));
    return std::nullopt;
  }
  const std::optional<int64_t> number = value.as_int64();
  if (!number && !value.is_integer()) {
    context.Fail(InvalidType(path, "an integer", TypeName(value)));
    return std::nullopt;
  }
  // An integer that no int64 holds is beyond any range; its sign tells on which side.
  const bool negative = value.number_text().front() == '-';
  if ((!number && !negative) || (number && *number > range.max)) {
    context.Fail(IntegerAboveMax(path, range.max, value.number_text()));
    return std::nullopt;
  }
  if (!number || *number < range.min) {
    context.Fail(IntegerBelowMin(path, range.min, value.number_text()));
    return std::nullopt;
  }
  return number;
}

std::optional<std::string> ReadString(const Json& value, std::string_view path,
                                      ParseContext& context) {
  if (value.is_string()) return value.as_string();
  context.Fail(InvalidType(path, "a string", TypeName(value)));
  return std::nullopt;
}

Fields::Fields(const Json& object, std::string path, ParseContext& context)
    : members_(object.object()),
      path_(std::move(path)),
      context_(context),
      known_(members_.size(), false) {
  if (members_.size() < kIndexFrom) return;
  for (size_t i = 0; i < members_.size(); ++i) index_.emplace(members_[i].first, i);
}

std::string Fields::Path(std::string_view name) const {
  return Joined(path_, name);
}

std::optional<size_t> Fields::Find(std::string_view name) const {
  if (members_.size() < kIndexFrom) {
    for (size_t i = 0; i < members_.size(); ++i)
      if (members_[i].first == name) return i;
    return std::nullopt;
  }
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

const Json* Fields::Take(std::string_view name) {
  const std::optional<size_t> at = Find(name);
  if (!at) return nullptr;
  known_[*at] = true;
  const Json& value = members_[*at].second;
  return value.is_null() ? nullptr : &value;
}

const Json* Fields::Require(std::string_view name) {
  const Json* value = Take(name);
  if (value == nullptr) context_.Fail(MissingParameter(Path(name)));
  return value;
}

const Json* Fields::WithKind(const Json* value, std::string_view name, Json::Kind kind) {
  if (value == nullptr || value->kind() == kind) return value;
  context_.Fail(InvalidType(Path(name), kind == Json::Kind::kArray ? "an array" : "an object",
                            TypeName(*value)));
  return nullptr;
}

const Json* Fields::TakeObject(std::string_view name) {
  return WithKind(Take(name), name, Json::Kind::kObject);
}
const Json* Fields::TakeArray(std::string_view name) {
  return WithKind(Take(name), name, Json::Kind::kArray);
}
const Json* Fields::RequireObject(std::string_view name) {
  return WithKind(Require(name), name, Json::Kind::kObject);
}
const Json* Fields::RequireArray(std::string_view name) {
  return WithKind(Require(name), name, Json::Kind::kArray);
}

std::optional<bool> Fields::Bool(std::string_view name) {
  const Json* value = Take(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  context_.Fail(InvalidType(Path(name), "a boolean", TypeName(*value)));
  return std::nullopt;
}

std::optional<double> Fields::Decimal(std::string_view name, DecimalRange range) {
  const Json* value = Take(name);
  if (value == nullptr) return std::nullopt;
  return ReadDecimal(*value, Path(name), range, context_);
}

std::optional<int64_t> Fields::Integer(std::string_view name, IntegerRange range) {
  const Json* value = Take(name);
  if (value == nullptr) return std::nullopt;
  return ReadInteger(*value, Path(name), range, context_);
}

std::optional<std::string> Fields::String(std::string_view name, size_t characters_max) {
  const Json* value = Take(name);
  if (value == nullptr) return std::nullopt;
  std::optional<std::string> text = ReadString(*value, Path(name), context_);
  if (!text || characters_max == 0) return text;
  const size_t characters = CountCharacters(*text);
  if (characters <= characters_max) return text;
  context_.Fail(StringTooLong(Path(name), characters_max, characters));
  return std::nullopt;
}

std::string Fields::RequireString(std::string_view name) {
  const Json* value = Require(name);
  if (value == nullptr) return {};
  return ReadString(*value, Path(name), context_).value_or("");
}

void Fields::Hint(std::string_view name) {
  if (Take(name) != nullptr) context_.Ignore(Path(name));
}

void Fields::Refuse(std::string_view name, std::string_view reason) {
  if (Take(name) != nullptr) context_.Fail(UnsupportedParameter(Path(name), reason));
}

void Fields::Finish() {
  for (size_t i = 0; i < members_.size() && context_.wants_unknown(); ++i)
    if (const auto& [name, value] = members_[i];
        !known_[i] && !(path_.empty() && IsNeutral(name, value)))
      context_.Unknown(Path(name));
}

}  // namespace infe::api
