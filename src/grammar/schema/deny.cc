// The negative half of Normaliser: a schema fails when one of its assertions fails, so its opposite
// is a choice of opposites, each of one assertion.
#include <algorithm>

#include "grammar/limits.h"
#include "grammar/schema/keywords.h"
#include "grammar/schema/normalise.h"

namespace infe::grammar {
namespace {

TypeSet Without(TypeSet types, TypeSet part) {
  return static_cast<TypeSet>(types & static_cast<TypeSet>(~part));
}

}  // namespace

// All schemas that would have to be denied along with it, each once.
bool Normaliser::CanDeny(const Place* place, std::string* keyword) {
  std::set<const Place*> seen{place};
  std::vector<const Place*> open{place};
  while (!open.empty() && context_->Spend(place)) {
    const Place* at = open.back();
    open.pop_back();
    std::vector<const Place*> parts;
    if (const auto known = deniable_.find(at); known != deniable_.end()) {
      *keyword = known->second;
    } else {
      *keyword = Undeniable(at, &parts);
    }
    if (!keyword->empty()) {
      deniable_.emplace(at, *keyword);
      deniable_.emplace(place, *keyword);
      return false;
    }
    for (size_t i = parts.size(); i-- > 0;)
      if (seen.insert(parts[i]).second) open.push_back(parts[i]);
  }
  for (const Place* at : seen) deniable_.emplace(at, "");
  return true;
}

std::string Normaliser::Undeniable(const Place* place, std::vector<const Place*>* parts) {
  const Json& schema = *place->schema;
  if (!schema.is_object()) return "";
  Document& document = context_->document();
  if (const Json* ref = Keyword(place, "$ref"); ref != nullptr && ref->is_string()) {
    const auto target = document.Resolve(place, ref->as_string());
    if (!target) return "$ref";
    parts->push_back(*target);
    if (place->draft <= Draft::k7) return "";
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
        "unevaluatedItems", "$dynamicRef", "$recursiveRef"})
    if (Keyword(place, name) != nullptr && non_trivial(name)) return name;
  if (const Json* unique = Keyword(place, "uniqueItems");
      unique != nullptr && unique->is_bool() && unique->as_bool())
    return "uniqueItems";
  if (const Json* pattern = Keyword(place, "pattern");
      pattern != nullptr && pattern->is_string() &&
      !context_->Pattern(place, "pattern", pattern->as_string()))
    return "pattern";
  const Json* items = Keyword(place, "items");
  if (items != nullptr && !items->is_array() && Keyword(place, "prefixItems") != nullptr)
    return "items";
  if (items != nullptr && items->is_array() && Keyword(place, "additionalItems") != nullptr &&
      non_trivial("additionalItems"))
    return "additionalItems";
  // Below: parts are denied themselves, except those of `not`, which is then asserted.
  for (const auto& [key, value] : schema.object()) {
    if (key == "allOf" || key == "anyOf" || key == "oneOf" || key == "prefixItems" ||
        (key == "items" && value.is_array())) {
      if (!value.is_array()) continue;
      size_t index = 0;
      for (const Json& item : value.array())
        parts->push_back(document.Child(place, &item, key, std::to_string(index++)));
    } else if (key == "properties" || key == "dependentSchemas" || key == "dependencies") {
      if (!value.is_object()) continue;
      for (const auto& [name, item] : value.object())
        if (!item.is_array() && !item.is_string())
          parts->push_back(document.Child(place, &item, key, name));
    } else if (key == "items" || key == "contains" || key == "if" || key == "then" ||
               key == "else") {
      parts->push_back(document.Child(place, &value, key));
    }
  }
  return "";
}

Result<void> Normaliser::TakeFailing(Branch* branch, const Place* place, Branches* out) {
  const ObjectPart& object = branch->shape.object;
  if ((branch->shape.types & kObjectType) == 0 || object.required.empty()) return {};
  const Json* members = Keyword(place, "properties");
  if (members == nullptr || !members->is_object()) return {};
  bool fails = false;
  for (const auto& [name, schema] : members->object()) {
    if (fails) break;
    if (!FixesString(schema) || std::ranges::find(object.required, name) == object.required.end())
      continue;
    const auto differs = [&, &name = name, &schema = schema](const auto& member) {
      return member.first == name && !member.second.negated &&
             FixDifferentStrings(*member.second.place->schema, schema);
    };
    INFE_TRY(
        context_->Spend(place, 1 + object.required.size() / 8 + branch->shape.held.bytes() / 1024));
    fails = std::ranges::any_of(object.extra, differs);
    for (const ObjectPart::Group& group : object.groups)
      fails = fails || std::ranges::any_of(group.properties, differs);
  }
  if (!fails) return {};
  INFE_ASSIGN(Branch* const failing, Fork(*branch, place, out));
  failing->shape.types &= kObjectType;
  branch->shape.types = Without(branch->shape.types, kObjectType);
  return {};
}

Result<void> Normaliser::Deny(Branch branch, const Place* place, Branches* out) {
  INFE_TRY(context_->Spend(place, 4));
  INFE_TRY(TakeFailing(&branch, place, out));
  if (IsNullable(place)) branch.shape.types = Without(branch.shape.types, kNullType);
  if (branch.shape.types == 0) return {};
  if (const Json* ref = Keyword(place, "$ref"); ref != nullptr && ref->is_string()) {
    INFE_ASSIGN(const Place* target, context_->Target(place, ref->as_string()));
    if (target != nullptr) {
      INFE_ASSIGN(Branch* const way, Fork(branch, place, out));
      way->todo.push_back({target, true});
    }
    if (place->draft <= Draft::k7) return {};
  }
  const auto fails = [&](const Terms& terms) -> Result<void> {
    // What is known to hold need not be tried as what fails.
    for (const Term& term : terms)
      if (branch.done.contains({term.place, !term.negated})) return {};
    INFE_ASSIGN(Branch* const way, Fork(branch, place, out));
    way->todo.insert(way->todo.end(), terms.begin(), terms.end());
    return {};
  };
  INFE_ASSIGN(const auto all_of, SchemaList(*context_, place, "allOf"));
  for (const Place* part : all_of) INFE_TRY(fails({{part, true}}));
  INFE_ASSIGN(const auto any_of, SchemaList(*context_, place, "anyOf"));
  if (!any_of.empty()) {
    Terms none;
    for (const Place* part : any_of) none.push_back({part, true});
    INFE_TRY(fails(none));
  }
  INFE_ASSIGN(const auto one_of, SchemaList(*context_, place, "oneOf"));
  if (!one_of.empty()) {
    Terms none;
    for (const Place* part : one_of) none.push_back({part, true});
    INFE_TRY(fails(none));
    for (size_t i = 0; i < one_of.size(); ++i)
      for (size_t j = i + 1; j < one_of.size(); ++j)
        INFE_TRY(fails({{one_of[i], false}, {one_of[j], false}}));
  }
  INFE_ASSIGN(const Place* inner, SchemaKeyword(*context_, place, "not"));
  if (inner != nullptr) INFE_TRY(fails({{inner, false}}));
  INFE_ASSIGN(const Place* condition, SchemaKeyword(*context_, place, "if"));
  if (condition != nullptr) {
    INFE_ASSIGN(const Place* then, SchemaKeyword(*context_, place, "then"));
    INFE_ASSIGN(const Place* otherwise, SchemaKeyword(*context_, place, "else"));
    if (then != nullptr) INFE_TRY(fails({{condition, false}, {then, true}}));
    if (otherwise != nullptr) INFE_TRY(fails({{condition, true}, {otherwise, true}}));
  }
  if (const Json* listed = Keyword(place, "enum"); listed != nullptr && listed->is_array())
    INFE_TRY(DenyValues(branch, place, listed->array(), out));
  if (const Json* constant = Keyword(place, "const")) {
    // The list must live as long as the document: its compound members become places.
    const Place*& kept = const_lists_[place];
    if (kept == nullptr) {
      Json holder = Json::MakeObject();
      Json values = Json::MakeArray();
      values.push_back(*constant);
      holder.set("enum", std::move(values));
      kept = context_->document().Synthetic(std::move(holder), place);
    }
    INFE_TRY(DenyValues(branch, place, Keyword(kept, "enum")->array(), out));
  }
  INFE_TRY(DenyScalar(branch, place, out));
  INFE_TRY(DenyObject(branch, place, out));
  return DenyArray(branch, place, out);
}

Result<void> Normaliser::DenyValues(const Branch& from, const Place* place,
                                    const Json::Array& values, Branches* out) {
  RegexPool& pool = context_->pool();
  INFE_ASSIGN(Branch* const way, Fork(from, place, out));
  INFE_TRY(context_->Spend(place, values.size()));
  Branch& branch = *way;
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
  return {};
}

Result<void> Normaliser::DenyScalar(const Branch& from, const Place* place, Branches* out) {
  RegexPool& pool = context_->pool();
  INFE_ASSIGN(const auto choice, TypeKeyword(place));
  if (choice) {
    INFE_ASSIGN(Branch* const other, Fork(from, place, out));
    other->shape.types = Without(other->shape.types, choice->types);
    if (choice->integer_only) {  // a number that is none
      INFE_ASSIGN(Branch* const number, Fork(from, place, out));
      Branch& fraction = *number;
      fraction.shape.types &= kNumberType;
      NumberBounds whole{.integer = true, .fraction_zero = true};
      INFE_ASSIGN(const RegexId integers, NumberRegex(pool, whole));
      fraction.shape.number.all.push_back(pool.Not(integers));
      fraction.shape.number.bounds.no_exponent = true;
    }
  }
  const auto string = [&]() -> Result<StringPart*> {
    INFE_ASSIGN(Branch* const way, Fork(from, place, out));
    way->shape.types &= kStringType;
    return &way->shape.string;
  };
  INFE_ASSIGN(const auto min, CountKeyword(place, "minLength"));
  if (min && *min > 0) {
    INFE_ASSIGN(StringPart* const part, string());
    part->max = std::min(part->max, *min - 1);
  }
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxLength"));
  if (max && *max < kRepeatMax) {
    INFE_ASSIGN(StringPart* const part, string());
    part->min = std::max(part->min, *max + 1);
  }
  if (const Json* pattern = Keyword(place, "pattern"); pattern != nullptr && pattern->is_string()) {
    INFE_ASSIGN(const RegexId regex, context_->Pattern(place, "pattern", pattern->as_string()));
    INFE_ASSIGN(StringPart* const part, string());
    part->all.push_back(pool.Not(regex));
  }
  if (const Json* format = Keyword(place, "format");
      format != nullptr && format->is_string() &&
      context_->options().formats == FormatPolicy::kEnforce) {
    if (const auto regex = context_->Format(format->as_string())) {
      INFE_ASSIGN(StringPart* const part, string());
      part->all.push_back(pool.Not(*regex));
    }
  }
  INFE_ASSIGN(const NumberBounds bounds, BoundsKeywords(place));
  const auto number = [&](NumberBounds wrong) -> Result<void> {
    // Beyond the bound, written as the opposite of it.
    INFE_ASSIGN(const RegexId right, NumberRegex(pool, wrong));
    INFE_ASSIGN(Branch* const way, Fork(from, place, out));
    way->shape.types &= kNumberType;
    way->shape.number.bounds.no_exponent = true;
    way->shape.number.all.push_back(pool.Not(right));
    return {};
  };
  if (bounds.lower) INFE_TRY(number({.lower = bounds.lower}));
  if (bounds.upper) INFE_TRY(number({.upper = bounds.upper}));
  for (const Decimal& m : bounds.multiples) INFE_TRY(number({.multiples = {m}}));
  return {};
}

Result<void> Normaliser::DenyObject(const Branch& from, const Place* place, Branches* out) {
  const auto object = [&]() -> Result<ObjectPart*> {
    INFE_ASSIGN(Branch* const way, Fork(from, place, out));
    way->shape.types &= kObjectType;
    return &way->shape.object;
  };
  INFE_ASSIGN(const auto properties, SchemaMap(*context_, place, "properties"));
  for (const auto& [name, schema] : properties) {
    if (schema->schema->is_bool() && schema->schema->as_bool()) continue;
    INFE_ASSIGN(ObjectPart* const part, object());
    part->required.push_back(name);
    part->extra.push_back({name, {schema, true}});
  }
  if (const Json* required = Keyword(place, "required");
      required != nullptr && !required->is_bool()) {
    INFE_ASSIGN(const auto names, StringList(place, "required", *required));
    for (const std::string& name : names) {
      INFE_ASSIGN(ObjectPart* const part, object());
      part->forbidden.push_back(name);
    }
  }
  INFE_ASSIGN(const auto min, CountKeyword(place, "minProperties"));
  if (min && *min > 0) {
    INFE_ASSIGN(ObjectPart* const part, object());
    part->max = std::min(part->max, *min - 1);
  }
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxProperties"));
  if (max && *max < kRepeatMax) {
    INFE_ASSIGN(ObjectPart* const part, object());
    part->min = std::max(part->min, *max + 1);
  }
  INFE_ASSIGN(const Dependencies dependencies, DependencyKeywords(*context_, place));
  for (const auto& [key, keys] : dependencies.keys) {
    for (const std::string& needed : keys) {
      INFE_ASSIGN(ObjectPart* const part, object());
      part->required.push_back(key);
      part->forbidden.push_back(needed);
    }
  }
  for (const auto& [key, schema] : dependencies.schemas) {
    INFE_ASSIGN(ObjectPart* const part, object());
    part->required.push_back(key);
    out->back().todo.push_back({schema, true});
  }
  return {};
}

Result<void> Normaliser::DenyArray(const Branch& from, const Place* place, Branches* out) {
  const auto array = [&]() -> Result<ArrayPart*> {
    INFE_ASSIGN(Branch* const way, Fork(from, place, out));
    way->shape.types &= kArrayType;
    return &way->shape.array;
  };
  INFE_ASSIGN(const auto group, ItemKeywords(*context_, place));
  if (group) {
    for (uint32_t i = 0; i < group->prefix.size(); ++i) {
      INFE_ASSIGN(ArrayPart* const part, array());
      part->min = std::max(part->min, i + 1);
      part->at.push_back({i, {group->prefix[i].place, true}});
    }
    if (group->rest && group->prefix.empty() &&
        !(group->rest->place->schema->is_bool() && group->rest->place->schema->as_bool())) {
      INFE_ASSIGN(ArrayPart* const part, array());
      part->contains.push_back({{group->rest->place, true}, 1, kUnbounded});
    }
  }
  INFE_ASSIGN(const auto min, CountKeyword(place, "minItems"));
  if (min && *min > 0) {
    INFE_ASSIGN(ArrayPart* const part, array());
    part->max = std::min(part->max, *min - 1);
  }
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxItems"));
  if (max && *max < kRepeatMax) {
    INFE_ASSIGN(ArrayPart* const part, array());
    part->min = std::max(part->min, *max + 1);
  }
  INFE_ASSIGN(const auto contains, ContainsKeywords(*context_, place));
  if (contains) {
    if (contains->min > 0) {
      INFE_ASSIGN(ArrayPart* const part, array());
      part->contains.push_back({contains->term, 0, contains->min - 1});
    }
    if (contains->max != kUnbounded) {
      INFE_ASSIGN(ArrayPart* const part, array());
      part->contains.push_back({contains->term, contains->max + 1, kUnbounded});
    }
  }
  return {};
}

}  // namespace infe::grammar
