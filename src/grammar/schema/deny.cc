// The negative half of Normaliser: a schema fails when one of its assertions fails, so its opposite
// is a choice of opposites, each of one assertion.
#include <algorithm>

#include "grammar/formats.h"
#include "grammar/limits.h"
#include "grammar/schema/keywords.h"
#include "grammar/schema/normalise.h"

namespace infe::grammar {
namespace {

TypeSet Without(TypeSet types, TypeSet part) {
  return static_cast<TypeSet>(types & static_cast<TypeSet>(~part));
}

}  // namespace

bool Normaliser::CanDeny(const Place* place, std::set<const Place*>* seen, std::string* keyword) {
  if (!seen->insert(place).second) return true;
  const Json& schema = *place->schema;
  if (!schema.is_object()) return true;
  if (const auto it = deniable_.find(place); it != deniable_.end() && it->second) return true;
  if (const Json* ref = Keyword(place, "$ref"); ref != nullptr && ref->is_string()) {
    const auto target = context_->document().Resolve(place, ref->as_string());
    if (!target || !CanDeny(*target, seen, keyword)) {
      if (keyword->empty()) *keyword = "$ref";
      return false;
    }
    if (place->draft <= Draft::k7) return true;
  }
  const auto non_trivial = [&](const char* name) {
    const Json* value = Keyword(place, name);
    if (value == nullptr) return false;
    if (value->is_bool()) return !value->as_bool();
    return !value->is_object() || !value->object().empty();
  };
  // "Some other member fails": nothing here counts failures among members that are not named.
  for (const char* name :
       {"additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties",
        "unevaluatedItems", "$dynamicRef", "$recursiveRef"}) {
    if (Keyword(place, name) == nullptr || !non_trivial(name)) continue;
    *keyword = name;
    return false;
  }
  if (const Json* unique = Keyword(place, "uniqueItems");
      unique != nullptr && unique->is_bool() && unique->as_bool()) {
    *keyword = "uniqueItems";
    return false;
  }
  if (const Json* pattern = Keyword(place, "pattern");
      pattern != nullptr && pattern->is_string() &&
      !context_->Pattern(place, "pattern", pattern->as_string())) {
    *keyword = "pattern";
    return false;
  }
  if (const Json* items = Keyword(place, "items");
      items != nullptr && !items->is_array() && Keyword(place, "prefixItems") != nullptr) {
    *keyword = "items";
    return false;
  }
  if (Keyword(place, "additionalItems") != nullptr && non_trivial("additionalItems") &&
      Keyword(place, "items") != nullptr && Keyword(place, "items")->is_array()) {
    *keyword = "additionalItems";
    return false;
  }
  // Below: parts are denied themselves, except those of `not`, which is then asserted.
  for (const auto& [key, value] : schema.object()) {
    if (key == "allOf" || key == "anyOf" || key == "oneOf" || key == "prefixItems" ||
        (key == "items" && value.is_array())) {
      if (!value.is_array()) continue;
      size_t index = 0;
      for (const Json& item : value.array())
        if (!CanDeny(context_->document().Child(place, &item, key, std::to_string(index++)), seen,
                     keyword))
          return false;
    } else if (key == "properties" || key == "dependentSchemas" || key == "dependencies") {
      if (!value.is_object()) continue;
      for (const auto& [name, item] : value.object())
        if (!item.is_array() && !item.is_string() &&
            !CanDeny(context_->document().Child(place, &item, key, name), seen, keyword))
          return false;
    } else if (key == "items" || key == "contains" || key == "if" || key == "then" ||
               key == "else") {
      if (!CanDeny(context_->document().Child(place, &value, key), seen, keyword)) return false;
    }
  }
  deniable_[place] = true;
  return true;
}

Result<void> Normaliser::Deny(Branch branch, const Place* place, Branches* out) {
  if (const Json* ref = Keyword(place, "$ref"); ref != nullptr && ref->is_string()) {
    INFE_ASSIGN(const Place* target, context_->document().Resolve(place, ref->as_string()));
    out->push_back(branch);
    out->back().todo.push_back({target, true});
    if (place->draft <= Draft::k7) return {};
  }
  const auto fails = [&](const Terms& terms) {
    out->push_back(branch);
    out->back().todo.insert(out->back().todo.end(), terms.begin(), terms.end());
  };
  INFE_ASSIGN(const auto all_of, SchemaList(*context_, place, "allOf"));
  for (const Place* part : all_of) fails({{part, true}});
  INFE_ASSIGN(const auto any_of, SchemaList(*context_, place, "anyOf"));
  if (!any_of.empty()) {
    Terms none;
    for (const Place* part : any_of) none.push_back({part, true});
    fails(none);
  }
  INFE_ASSIGN(const auto one_of, SchemaList(*context_, place, "oneOf"));
  if (!one_of.empty()) {
    Terms none;
    for (const Place* part : one_of) none.push_back({part, true});
    fails(none);
    for (size_t i = 0; i < one_of.size(); ++i)
      for (size_t j = i + 1; j < one_of.size(); ++j)
        fails({{one_of[i], false}, {one_of[j], false}});
  }
  INFE_ASSIGN(const Place* inner, SchemaKeyword(*context_, place, "not"));
  if (inner != nullptr) fails({{inner, false}});
  INFE_ASSIGN(const Place* condition, SchemaKeyword(*context_, place, "if"));
  if (condition != nullptr) {
    INFE_ASSIGN(const Place* then, SchemaKeyword(*context_, place, "then"));
    INFE_ASSIGN(const Place* otherwise, SchemaKeyword(*context_, place, "else"));
    if (then != nullptr) fails({{condition, false}, {then, true}});
    if (otherwise != nullptr) fails({{condition, true}, {otherwise, true}});
  }
  if (const Json* listed = Keyword(place, "enum"); listed != nullptr && listed->is_array())
    INFE_TRY(DenyValues(branch, place, listed->array(), out));
  if (const Json* constant = Keyword(place, "const")) {
    // The list must live as long as the document: its compound members become places.
    const Place* kept = context_->document().Synthetic(
        [&] {
          Json holder = Json::MakeObject();
          Json values = Json::MakeArray();
          values.push_back(*constant);
          holder.set("enum", std::move(values));
          return holder;
        }(),
        place);
    INFE_TRY(DenyValues(branch, place, Keyword(kept, "enum")->array(), out));
  }
  INFE_TRY(DenyScalar(branch, place, out));
  INFE_TRY(DenyObject(branch, place, out));
  return DenyArray(branch, place, out);
}

Result<void> Normaliser::DenyValues(const Branch& from, const Place* place,
                                    const Json::Array& values, Branches* out) {
  RegexPool& pool = context_->pool();
  Branch branch = from;
  std::vector<std::string> strings;
  std::vector<RegexId> numbers;
  for (const Json& value : values) {
    switch (value.kind()) {
      case Json::Kind::kNull:
      case Json::Kind::kBool:
        branch.shape.types = Without(branch.shape.types, TypeOf(value));
        break;
      case Json::Kind::kNumber: {
        INFE_ASSIGN(const Decimal number, ParseDecimal(value.number_text()));
        numbers.push_back(EqualNumberRegex(pool, number, true));
        break;
      }
      case Json::Kind::kString:
        strings.push_back(value.as_string());
        break;
      case Json::Kind::kArray:
      case Json::Kind::kObject:
        branch.todo.push_back({ConstSchema(place, value, true), true});
        break;
    }
  }
  if (!strings.empty()) branch.shape.string.all.push_back(pool.Not(pool.Literals(strings)));
  if (!numbers.empty()) {
    branch.shape.number.all.push_back(pool.Not(pool.Or(numbers)));
    branch.shape.number.bounds.no_exponent = true;
  }
  out->push_back(std::move(branch));
  return {};
}

Result<void> Normaliser::DenyScalar(const Branch& from, const Place* place, Branches* out) {
  RegexPool& pool = context_->pool();
  INFE_ASSIGN(const auto choice, TypeKeyword(place));
  if (choice) {
    Branch branch = from;
    branch.shape.types = Without(branch.shape.types, choice->types);
    out->push_back(std::move(branch));
    if (choice->integer_only) {  // a number that is none
      Branch fraction = from;
      fraction.shape.types &= kNumberType;
      NumberBounds whole{.integer = true, .fraction_zero = true};
      INFE_ASSIGN(const RegexId integers, NumberRegex(pool, whole));
      fraction.shape.number.all.push_back(pool.Not(integers));
      fraction.shape.number.bounds.no_exponent = true;
      out->push_back(std::move(fraction));
    }
  }
  const auto string = [&]() -> StringPart& {
    out->push_back(from);
    out->back().shape.types &= kStringType;
    return out->back().shape.string;
  };
  INFE_ASSIGN(const auto min, CountKeyword(place, "minLength"));
  if (min && *min > 0) {
    StringPart& part = string();
    part.max = std::min(part.max, *min - 1);
  }
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxLength"));
  if (max && *max < kRepeatMax) {
    StringPart& part = string();
    part.min = std::max(part.min, *max + 1);
  }
  if (const Json* pattern = Keyword(place, "pattern"); pattern != nullptr && pattern->is_string()) {
    INFE_ASSIGN(const RegexId regex, context_->Pattern(place, "pattern", pattern->as_string()));
    string().all.push_back(pool.Not(regex));
  }
  if (const Json* format = Keyword(place, "format");
      format != nullptr && format->is_string() &&
      context_->options().formats == FormatPolicy::kEnforce) {
    if (const auto regex = FormatRegex(pool, format->as_string()))
      string().all.push_back(pool.Not(*regex));
  }
  INFE_ASSIGN(const NumberBounds bounds, BoundsKeywords(place));
  const auto number = [&](NumberBounds wrong) -> Result<void> {
    // Beyond the bound, written as the opposite of it.
    INFE_ASSIGN(const RegexId right, NumberRegex(pool, wrong));
    out->push_back(from);
    Branch& branch = out->back();
    branch.shape.types &= kNumberType;
    branch.shape.number.bounds.no_exponent = true;
    branch.shape.number.all.push_back(pool.Not(right));
    return {};
  };
  if (bounds.lower) INFE_TRY(number({.lower = bounds.lower}));
  if (bounds.upper) INFE_TRY(number({.upper = bounds.upper}));
  for (const Decimal& m : bounds.multiples) INFE_TRY(number({.multiples = {m}}));
  return {};
}

Result<void> Normaliser::DenyObject(const Branch& from, const Place* place, Branches* out) {
  const auto object = [&]() -> ObjectPart& {
    out->push_back(from);
    out->back().shape.types &= kObjectType;
    return out->back().shape.object;
  };
  INFE_ASSIGN(const auto properties, SchemaMap(*context_, place, "properties"));
  for (const auto& [name, schema] : properties) {
    if (schema->schema->is_bool() && schema->schema->as_bool()) continue;
    ObjectPart& part = object();
    part.required.push_back(name);
    part.extra.push_back({name, {schema, true}});
  }
  if (const Json* required = Keyword(place, "required");
      required != nullptr && !required->is_bool()) {
    INFE_ASSIGN(const auto names, StringList(place, "required", *required));
    for (const std::string& name : names) object().forbidden.push_back(name);
  }
  INFE_ASSIGN(const auto min, CountKeyword(place, "minProperties"));
  if (min && *min > 0) {
    ObjectPart& part = object();
    part.max = std::min(part.max, *min - 1);
  }
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxProperties"));
  if (max && *max < kRepeatMax) {
    ObjectPart& part = object();
    part.min = std::max(part.min, *max + 1);
  }
  INFE_ASSIGN(const Dependencies dependencies, DependencyKeywords(*context_, place));
  for (const auto& [key, keys] : dependencies.keys) {
    for (const std::string& needed : keys) {
      ObjectPart& part = object();
      part.required.push_back(key);
      part.forbidden.push_back(needed);
    }
  }
  for (const auto& [key, schema] : dependencies.schemas) {
    object().required.push_back(key);
    out->back().todo.push_back({schema, true});
  }
  return {};
}

Result<void> Normaliser::DenyArray(const Branch& from, const Place* place, Branches* out) {
  const auto array = [&]() -> ArrayPart& {
    out->push_back(from);
    out->back().shape.types &= kArrayType;
    return out->back().shape.array;
  };
  INFE_ASSIGN(const auto group, ItemKeywords(*context_, place));
  if (group) {
    for (uint32_t i = 0; i < group->prefix.size(); ++i) {
      ArrayPart& part = array();
      part.min = std::max(part.min, i + 1);
      part.at.push_back({i, {group->prefix[i].place, true}});
    }
    if (group->rest && group->prefix.empty() &&
        !(group->rest->place->schema->is_bool() && group->rest->place->schema->as_bool()))
      array().contains.push_back({{group->rest->place, true}, 1, kUnbounded});
  }
  INFE_ASSIGN(const auto min, CountKeyword(place, "minItems"));
  if (min && *min > 0) {
    ArrayPart& part = array();
    part.max = std::min(part.max, *min - 1);
  }
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxItems"));
  if (max && *max < kRepeatMax) {
    ArrayPart& part = array();
    part.min = std::max(part.min, *max + 1);
  }
  INFE_ASSIGN(const auto contains, ContainsKeywords(*context_, place));
  if (contains) {
    if (contains->min > 0) array().contains.push_back({contains->term, 0, contains->min - 1});
    if (contains->max != kUnbounded)
      array().contains.push_back({contains->term, contains->max + 1, kUnbounded});
  }
  return {};
}

}  // namespace infe::grammar
