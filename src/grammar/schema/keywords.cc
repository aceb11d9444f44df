#include "grammar/schema/keywords.h"

#include <algorithm>

#include "grammar/limits.h"

namespace infe::grammar {

namespace {

Error Wrong(const Place* place, std::string_view name, std::string_view what) {
  return SchemaContext::Malformed(place, name, what);
}

bool IsSchema(const Json& json) {
  return json.is_object() || json.is_bool();
}

}  // namespace

Result<std::optional<Decimal>> NumberKeyword(const Place* place, std::string_view name) {
  const Json* value = Keyword(place, name);
  if (value == nullptr) return std::optional<Decimal>();
  if (!value->is_number()) return Wrong(place, name, "must be a number");
  auto number = ParseDecimal(value->number_text());
  if (!number) return ResourceExhausted(number.error().message, place->path + PointerStep(name));
  return std::optional<Decimal>(*number);
}

Result<std::optional<uint32_t>> CountKeyword(const Place* place, std::string_view name) {
  INFE_ASSIGN(const std::optional<Decimal> number, NumberKeyword(place, name));
  if (!number) return std::optional<uint32_t>();
  if (number->negative || !number->IsWhole())
    return Wrong(place, name, "must be a non-negative integer");
  if (number->whole.size() > 9) return std::optional<uint32_t>(kUnbounded);
  return std::optional<uint32_t>(static_cast<uint32_t>(std::stoul(number->whole)));
}

Result<const Place*> SchemaKeyword(SchemaContext& context, const Place* place,
                                   std::string_view name) {
  const Json* value = Keyword(place, name);
  if (value == nullptr) return nullptr;
  if (!IsSchema(*value)) return Wrong(place, name, "must be a schema");
  return context.document().Child(place, value, name);
}

Result<std::vector<const Place*>> SchemaList(SchemaContext& context, const Place* place,
                                             std::string_view name) {
  std::vector<const Place*> list;
  const Json* value = Keyword(place, name);
  if (value == nullptr) return list;
  if (!value->is_array() || value->array().empty())
    return Wrong(place, name, "must be a non-empty array of schemas");
  for (const Json& item : value->array()) {
    if (!IsSchema(item)) return Wrong(place, name, "must be an array of schemas");
    list.push_back(context.document().Child(place, &item, name, std::to_string(list.size())));
  }
  return list;
}

Result<std::vector<std::pair<std::string, const Place*>>> SchemaMap(SchemaContext& context,
                                                                    const Place* place,
                                                                    std::string_view name) {
  std::vector<std::pair<std::string, const Place*>> map;
  const Json* value = Keyword(place, name);
  if (value == nullptr) return map;
  if (!value->is_object()) return Wrong(place, name, "must be an object of schemas");
  for (const auto& [key, item] : value->object()) {
    if (!IsSchema(item)) return Wrong(place, name, "must be an object of schemas");
    map.emplace_back(key, context.document().Child(place, &item, name, key));
  }
  return map;
}

Result<std::vector<std::string>> StringList(const Place* place, std::string_view name,
                                            const Json& value) {
  std::vector<std::string> list;
  if (!value.is_array()) return Wrong(place, name, "must be an array of strings");
  for (const Json& item : value.array()) {
    if (!item.is_string()) return Wrong(place, name, "must be an array of strings");
    list.push_back(item.as_string());
  }
  return list;
}

Result<std::optional<TypeChoice>> TypeKeyword(const Place* place) {
  const Json* value = Keyword(place, "type");
  if (value == nullptr) return std::optional<TypeChoice>();
  TypeChoice choice{.types = 0};
  bool number = false;
  bool integer = false;
  const auto add = [&](const Json& name) {
    if (!name.is_string()) return false;
    const std::string& text = name.as_string();
    if (text == "null") {
      choice.types |= kNullType;
    } else if (text == "boolean") {
      choice.types |= kTrueType | kFalseType;
    } else if (text == "string") {
      choice.types |= kStringType;
    } else if (text == "array") {
      choice.types |= kArrayType;
    } else if (text == "object") {
      choice.types |= kObjectType;
    } else if (text == "number") {
      number = true;
    } else if (text == "integer") {
      integer = true;
    } else {
      return false;
    }
    return true;
  };
  bool known = true;
  if (value->is_array()) {
    for (const Json& item : value->array()) known = known && add(item);
  } else {
    known = add(*value);
  }
  if (!known)
    return Wrong(place, "type",
                 "must be one or several of null, boolean, number, integer, string, array, object");
  if (number || integer) choice.types |= kNumberType;
  choice.integer_only = integer && !number;
  return std::optional<TypeChoice>(choice);
}

bool IsNullable(const Place* place) {
  const Json* nullable = Keyword(place, "nullable");
  if (nullable == nullptr || !nullable->is_bool() || !nullable->as_bool()) return false;
  const auto types = TypeKeyword(place);
  return !types || !*types || ((*types)->types & kNullType) == 0;
}

Result<NumberBounds> BoundsKeywords(const Place* place) {
  NumberBounds bounds;
  const auto side = [&](std::string_view plain, std::string_view exclusive, int sign,
                        std::optional<NumberBounds::Bound>* out) -> Result<void> {
    INFE_ASSIGN(const std::optional<Decimal> value, NumberKeyword(place, plain));
    if (value) *out = NumberBounds::Bound{*value, false};
    const Json* strict = Keyword(place, exclusive);
    if (strict == nullptr) return {};
    if (strict->is_bool()) {
      if (strict->as_bool() && *out) (*out)->exclusive = true;
      return {};
    }
    INFE_ASSIGN(const std::optional<Decimal> limit, NumberKeyword(place, exclusive));
    if (!*out || Compare(*limit, (*out)->value) * sign >= 0)
      *out = NumberBounds::Bound{*limit, true};
    return {};
  };
  INFE_TRY(side("minimum", "exclusiveMinimum", 1, &bounds.lower));
  INFE_TRY(side("maximum", "exclusiveMaximum", -1, &bounds.upper));
  INFE_ASSIGN(const std::optional<Decimal> multiple, NumberKeyword(place, "multipleOf"));
  if (multiple) {
    if (multiple->negative || multiple->IsZero())
      return Wrong(place, "multipleOf", "must be greater than 0");
    bounds.multiples.push_back(*multiple);
  }
  return bounds;
}

Result<Dependencies> DependencyKeywords(SchemaContext& context, const Place* place) {
  Dependencies result;
  if (const Json* required = Keyword(place, "dependentRequired")) {
    if (!required->is_object()) return Wrong(place, "dependentRequired", "must be an object");
    for (const auto& [key, value] : required->object()) {
      INFE_ASSIGN(std::vector<std::string> keys, StringList(place, "dependentRequired", value));
      result.keys.emplace_back(key, std::move(keys));
    }
  }
  INFE_ASSIGN(result.schemas, SchemaMap(context, place, "dependentSchemas"));
  if (const Json* both = Keyword(place, "dependencies")) {
    if (!both->is_object()) return Wrong(place, "dependencies", "must be an object");
    for (const auto& [key, value] : both->object()) {
      if (IsSchema(value)) {
        result.schemas.emplace_back(key,
                                    context.document().Child(place, &value, "dependencies", key));
      } else if (value.is_string()) {  // draft-03 took a single key
        result.keys.emplace_back(key, std::vector<std::string>{value.as_string()});
      } else {
        INFE_ASSIGN(std::vector<std::string> keys, StringList(place, "dependencies", value));
        result.keys.emplace_back(key, std::move(keys));
      }
    }
  }
  return result;
}

Result<std::optional<ArrayPart::Group>> ItemKeywords(SchemaContext& context, const Place* place) {
  ArrayPart::Group group;
  const Json* items = Keyword(place, "items");
  INFE_ASSIGN(std::vector<const Place*> prefix, SchemaList(context, place, "prefixItems"));
  if (items != nullptr && items->is_array()) {
    size_t index = 0;
    for (const Json& item : items->array()) {
      if (!IsSchema(item)) return Wrong(place, "items", "must be a schema or an array of schemas");
      prefix.push_back(context.document().Child(place, &item, "items", std::to_string(index++)));
    }
    INFE_ASSIGN(const Place* rest, SchemaKeyword(context, place, "additionalItems"));
    if (rest != nullptr) group.rest = Term{rest, false};
  } else if (items != nullptr) {
    INFE_ASSIGN(const Place* rest, SchemaKeyword(context, place, "items"));
    group.rest = Term{rest, false};
  } else if (prefix.empty()) {
    return std::optional<ArrayPart::Group>();
  }
  for (const Place* item : prefix) group.prefix.push_back({item, false});
  return std::optional<ArrayPart::Group>(std::move(group));
}

Result<std::optional<ArrayPart::Contains>> ContainsKeywords(SchemaContext& context,
                                                            const Place* place) {
  INFE_ASSIGN(const Place* wanted, SchemaKeyword(context, place, "contains"));
  if (wanted == nullptr) return std::optional<ArrayPart::Contains>();
  INFE_ASSIGN(const std::optional<uint32_t> min, CountKeyword(place, "minContains"));
  INFE_ASSIGN(const std::optional<uint32_t> max, CountKeyword(place, "maxContains"));
  return std::optional<ArrayPart::Contains>(
      ArrayPart::Contains{{wanted, false}, min.value_or(1), max.value_or(kUnbounded)});
}

}  // namespace infe::grammar
