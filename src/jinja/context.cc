#include "jinja/context.h"

#include <algorithm>
#include <optional>

namespace infe::jinja {
namespace {

// Roles come from us, not from the user's text, and some templates build markers out of them
// ("<|" + role + "|>").
constexpr std::string_view kKnownRoles[] = {"assistant", "developer", "function", "ipython",
                                            "model",     "system",    "tool",     "user"};

bool IsKnownRole(const Json& json) {
  return json.is_string() && std::find(std::begin(kKnownRoles), std::end(kKnownRoles),
                                       json.as_string()) != std::end(kKnownRoles);
}

std::optional<Builtin> FindBuiltin(std::string_view name) {
  if (name == "range") return Builtin::kRange;
  if (name == "dict") return Builtin::kDict;
  if (name == "namespace") return Builtin::kNamespace;
  if (name == "cycler") return Builtin::kCycler;
  if (name == "joiner") return Builtin::kJoiner;
  if (name == "raise_exception") return Builtin::kRaiseException;
  if (name == "strftime_now") return Builtin::kStrftimeNow;
  return std::nullopt;
}

}  // namespace

Value Context::ConvertNumber(const Json& json) const {
  if (json.is_integer()) {
    if (const std::optional<int64_t> integer = json.as_int64()) return Value::Int(*integer);
    return Value::BigInt(json.number_text());
  }
  Text spelling;
  if (runtime_.options().keep_number_text) spelling = Text::Untrusted(json.number_text());
  return Value::Float(json.as_double(), std::move(spelling));
}

Value Context::Convert(const Json& json, bool trusted, int depth) {
  if (depth > kValueDepthMax) FailLimit("the context is nested too deeply");
  switch (json.kind()) {
    case Json::Kind::kNull:
      return Value::None();
    case Json::Kind::kBool:
      return Value::Bool(json.as_bool());
    case Json::Kind::kNumber:
      return ConvertNumber(json);
    case Json::Kind::kString:
      return Value::String(trusted ? Text::Trusted(json.as_string())
                                   : Text::Untrusted(json.as_string()));
    case Json::Kind::kArray: {
      Values items;
      items.reserve(json.array().size());
      for (const Json& item : json.array()) items.push_back(Convert(item, trusted, depth + 1));
      return runtime_.heap().List(std::move(items));
    }
    case Json::Kind::kObject: {
      auto* dict = runtime_.heap().New<DictObject>();
      for (const auto& [key, value] : json.object())
        dict->Set(Value::Plain(key), Convert(value, trusted, depth + 1));
      return Value::Of(Kind::kDict, dict);
    }
  }
  return Value::None();
}

Value Context::ConvertMessages(const Json& messages) {
  Values items;
  for (const Json& message : messages.array()) {
    Value item = Convert(message, false, 1);
    const Json* role = message.find("role");
    if (role != nullptr && IsKnownRole(*role))
      item.object<DictObject>()->Set(Value::Plain("role"),
                                     Value::String(Text::Trusted(role->as_string())));
    items.push_back(std::move(item));
  }
  return runtime_.heap().List(std::move(items));
}

Value Context::Global(const std::string& name) {
  const std::optional<Builtin> builtin = FindBuiltin(name);
  if (!builtin) return {};
  auto* function = runtime_.heap().New<FunctionObject>();
  function->builtin = *builtin;
  return Value::Of(Kind::kFunction, function);
}

Value Context::Resolve(const std::string& name) {
  if (const auto found = resolved_.find(name); found != resolved_.end()) return found->second;
  const Json* variable = variables_.find(name);
  Value value;
  if (variable == nullptr) {
    value = Global(name);
  } else if (name == "messages" && variable->is_array()) {
    value = ConvertMessages(*variable);
  } else {
    value = Convert(*variable, name.ends_with("_token"), 0);
  }
  return resolved_.emplace(name, std::move(value)).first->second;
}

}  // namespace infe::jinja
