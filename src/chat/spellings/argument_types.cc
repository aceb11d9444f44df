#include "chat/spellings/argument_types.h"

#include <algorithm>

namespace infe::chat {
namespace {

// References and combinations inside each other; deeper ones count as anything.
constexpr int kDepthMax = 16;

JsonTypes Named(std::string_view name) {
  if (name == "string") return kTextType;
  if (name == "number" || name == "integer") return kNumberType;
  if (name == "boolean") return kBoolType;
  if (name == "null") return kNullType;
  if (name == "object") return kObjectType;
  if (name == "array") return kArrayType;
  return kAnyType;
}

// Only references into the same document, as "#/$defs/City".
const Json* Resolve(const Json& root, std::string_view reference) {
  if (!reference.starts_with("#")) return nullptr;
  const Json* at = &root;
  std::string_view rest = reference.substr(1);
  while (at != nullptr && rest.starts_with("/")) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('/'), rest.size());
    at = at->find(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return at;
}

JsonTypes Allowed(const Json& root, const Json& schema, int depth) {
  if (depth > kDepthMax || !schema.is_object()) return kAnyType;
  JsonTypes allowed = kAnyType;
  if (const Json* type = schema.find("type")) {
    JsonTypes named = 0;
    if (type->is_string()) named = Named(type->as_string());
    if (type->is_array())
      for (const Json& one : type->array()) named |= one.is_string() ? Named(one.as_string()) : 0;
    if (const Json* nullable = schema.find("nullable");
        nullable != nullptr && nullable->is_bool() && nullable->as_bool())
      named |= kNullType;
    if (named != 0) allowed &= named;
  }
  if (const Json* one = schema.find("const")) allowed &= TypeOf(*one);
  if (const Json* values = schema.find("enum"); values != nullptr && values->is_array()) {
    JsonTypes listed = 0;
    for (const Json& value : values->array()) listed |= TypeOf(value);
    if (listed != 0) allowed &= listed;
  }
  if (const Json* reference = schema.find("$ref"); reference != nullptr && reference->is_string()) {
    if (const Json* target = Resolve(root, reference->as_string()))
      allowed &= Allowed(root, *target, depth + 1);
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    const Json* ways = schema.find(key);
    if (ways == nullptr || !ways->is_array()) continue;
    JsonTypes some = 0;
    for (const Json& way : ways->array()) some |= Allowed(root, way, depth + 1);
    if (some != 0) allowed &= some;
  }
  if (const Json* all = schema.find("allOf"); all != nullptr && all->is_array())
    for (const Json& part : all->array()) allowed &= Allowed(root, part, depth + 1);
  return allowed;
}

}  // namespace

JsonTypes TypeOf(const Json& value) {
  if (value.is_string()) return kTextType;
  if (value.is_bool()) return kBoolType;
  if (value.is_null()) return kNullType;
  if (value.is_object()) return kObjectType;
  if (value.is_array()) return kArrayType;
  return kNumberType;
}

ArgumentTypes::ArgumentTypes(const std::vector<ToolSpec>& tools) {
  for (const ToolSpec& tool : tools) {
    auto& types = tools_[tool.name];
    const Json* properties =
        tool.parameters.is_object() ? tool.parameters.find("properties") : nullptr;
    if (properties == nullptr || !properties->is_object()) continue;
    for (const auto& [name, schema] : properties->object())
      types[name] = Allowed(tool.parameters, schema, 0);
  }
}

JsonTypes ArgumentTypes::Of(std::string_view tool, std::string_view argument) const {
  const auto known = tools_.find(std::string(tool));
  if (known == tools_.end()) return kAnyType;
  const auto type = known->second.find(std::string(argument));
  return type == known->second.end() ? kAnyType : type->second;
}

}  // namespace infe::chat
