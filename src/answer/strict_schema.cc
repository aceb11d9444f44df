#include "answer/strict_schema.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace infe::answer {
namespace {

bool Names(const Json* type, std::string_view wanted) {
  if (type == nullptr) return false;
  if (type->is_string()) return type->as_string() == wanted;
  return type->is_array() &&
         std::any_of(type->array().begin(), type->array().end(), [&](const Json& item) {
           return item.is_string() && item.as_string() == wanted;
         });
}

Error Refuse(const std::string& path, std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), path.empty() ? "/" : path};
}

Result<void> CheckObject(const Json& schema, const std::string& path) {
  const Json* more = schema.find("additionalProperties");
  if (more == nullptr || !more->is_bool() || more->as_bool())
    return Refuse(path, "'additionalProperties' is required to be supplied and to be false");
  const Json* properties = schema.find("properties");
  if (properties == nullptr || !properties->is_object()) return {};
  const Json* required = schema.find("required");
  for (const JsonMember& property : properties->object()) {
    const bool listed =
        required != nullptr && required->is_array() &&
        std::any_of(required->array().begin(), required->array().end(), [&](const Json& name) {
          return name.is_string() && name.as_string() == property.first;
        });
    if (!listed)
      return Refuse(path, fmt::format("'required' is required to be supplied and to be an array "
                                      "including every key in properties. Missing '{}'",
                                      property.first));
  }
  return {};
}

// Recursion is bounded by the depth of a request's schema.
Result<void> Check(const Json& schema, const std::string& path) {
  if (!schema.is_object()) return {};
  const Json* properties = schema.find("properties");
  if (properties != nullptr || Names(schema.find("type"), "object"))
    INFE_TRY(CheckObject(schema, path));
  for (const char* key : {"properties", "patternProperties", "$defs", "definitions"}) {
    const Json* map = schema.find(key);
    if (map == nullptr || !map->is_object()) continue;
    for (const JsonMember& member : map->object())
      INFE_TRY(Check(member.second, fmt::format("{}/{}/{}", path, key, member.first)));
  }
  for (const char* key : {"anyOf", "allOf", "oneOf", "prefixItems"}) {
    const Json* list = schema.find(key);
    if (list == nullptr || !list->is_array()) continue;
    for (size_t i = 0; i < list->array().size(); ++i)
      INFE_TRY(Check(list->array()[i], fmt::format("{}/{}/{}", path, key, i)));
  }
  for (const char* key : {"items", "contains"})
    if (const Json* item = schema.find(key)) INFE_TRY(Check(*item, path + "/" + key));
  return {};
}

}  // namespace

Result<void> CheckStrictSchema(const Json& schema) {
  if (!schema.is_object() || !Names(schema.find("type"), "object") ||
      schema.find("anyOf") != nullptr)
    return Refuse("", "the root of a strict schema must have the type 'object' and no 'anyOf'");
  return Check(schema, "");
}

}  // namespace infe::answer
