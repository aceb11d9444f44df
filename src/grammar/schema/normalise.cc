#include "grammar/schema/normalise.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "grammar/formats.h"
#include "grammar/limits.h"
#include "grammar/schema/keywords.h"

namespace infe::grammar {

namespace {

// Whether anything beside the reference, definitions and annotations is said.
bool HasAssertion(const Json& schema) {
  constexpr std::array<std::string_view, 10> kSilent{
      "$ref",     "$defs",       "definitions", "$schema",  "$id",
      "$comment", "description", "title",       "examples", "default"};
  return std::ranges::any_of(schema.object(), [&](const JsonMember& member) {
    return std::ranges::find(kSilent, member.first) == kSilent.end();
  });
}

// Both bounds hold.
void Narrow(const NumberBounds& more, NumberBounds* bounds) {
  const auto tighter = [](const NumberBounds::Bound& a, const NumberBounds::Bound& b, int sign) {
    const int order = Compare(a.value, b.value) * sign;
    return order > 0 || (order == 0 && a.exclusive);
  };
  if (more.lower && (!bounds->lower || tighter(*more.lower, *bounds->lower, 1)))
    bounds->lower = more.lower;
  if (more.upper && (!bounds->upper || tighter(*more.upper, *bounds->upper, -1)))
    bounds->upper = more.upper;
}

}  // namespace

TypeSet TypeOf(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return kNullType;
    case Json::Kind::kBool:
      return value.as_bool() ? kTrueType : kFalseType;
    case Json::Kind::kNumber:
      return kNumberType;
    case Json::Kind::kString:
      return kStringType;
    case Json::Kind::kArray:
      return kArrayType;
    case Json::Kind::kObject:
      return kObjectType;
  }
  return 0;
}

namespace {

// What a branch takes that says nothing yet, and about each thing that is said.
constexpr size_t kBranchBytes = 1024;
constexpr size_t kSaidBytes = 72;

// Things that a schema says by itself: members of its lists and maps.
size_t Said(const Json& schema) {
  size_t said = 0;
  for (const auto& [key, value] : schema.object())
    said += 1 + (value.is_array() ? value.array().size() : 0) +
            (value.is_object() ? value.object().size() : 0);
  return said;
}

}  // namespace

Result<Normaliser::Branch*> Normaliser::Fork(const Branch& from, const Place* place,
                                             Branches* out) {
  if (out->size() >= kAlternativesMax)
    return SchemaContext::OverLimit(place, "alternatives", kAlternativesMax, "kAlternativesMax");
  INFE_TRY(context_->Spend(place, 4 + (from.shape.held.bytes() + from.todo.size() * sizeof(Term) +
                                       from.done.size() * 64) /
                                          512));
  out->push_back(from);
  return &out->back();
}

Result<std::vector<Shape>> Normaliser::Shapes(const Terms& terms) {
  const Place* whole = terms.empty() ? context_->document().root() : terms.front().place;
  INFE_TRY(context_->Spend(whole, 1 + terms.size()));
  Branches queue(1);
  queue.front().todo = terms;
  queue.front().shape.held = HeldBytes(&context_->fuel(), kBranchBytes);
  std::vector<Shape> shapes;
  while (!queue.empty()) {
    Branch branch = std::move(queue.back());
    queue.pop_back();
    if (branch.shape.types == 0) continue;
    if (branch.todo.empty()) {
      shapes.push_back(std::move(branch.shape));
      if (shapes.size() > kAlternativesMax)
        return SchemaContext::OverLimit(whole, "alternatives", kAlternativesMax,
                                        "kAlternativesMax");
      continue;
    }
    // In the order of the text, which is the order of keys in closed objects; but what has to hold
    // before what has to fail, because much of the second is settled by the first.
    auto next_term = std::ranges::find(branch.todo, false, &Term::negated);
    if (next_term == branch.todo.end()) next_term = branch.todo.begin();
    const Term term = *next_term;
    INFE_TRY(context_->Spend(term.place, 2 + branch.todo.size() / 16));
    branch.todo.erase(next_term);
    if (!branch.done.insert(term).second) {  // said before
      queue.push_back(std::move(branch));
      continue;
    }
    if (branch.done.contains({term.place, !term.negated})) continue;  // a and not a
    Branches next;
    INFE_TRY(Apply(std::move(branch), term, &next));
    if (queue.size() + next.size() > kAlternativesMax)
      return SchemaContext::OverLimit(term.place, "alternatives", kAlternativesMax,
                                      "kAlternativesMax");
    // In reverse, so that the first alternative comes first.
    for (size_t i = next.size(); i-- > 0;) queue.push_back(std::move(next[i]));
  }
  return shapes;
}

Result<void> Normaliser::Apply(Branch branch, const Term& term, Branches* out) {
  const Json& schema = *term.place->schema;
  if (schema.is_bool()) {
    if (schema.as_bool() != term.negated) out->push_back(std::move(branch));
    return {};
  }
  branch.scope = term.negated ? 0 : term.scope;
  return term.negated ? Deny(std::move(branch), term.place, out)
                      : Assert(std::move(branch), term.place, out);
}

Result<void> Normaliser::Assert(Branch branch, const Place* place, Branches* out) {
  if (IsNullable(place)) {
    INFE_ASSIGN(Branch* const null, Fork(branch, place, out));
    null->shape.types &= kNullType;
  }
  const size_t said = Said(*place->schema);
  branch.shape.held.Grow(said * kSaidBytes);
  INFE_TRY(context_->Spend(place, 4 + said));
  INFE_TRY(OpenScope(branch, place));
  INFE_TRY(AssertReferences(branch, place));
  const bool ref_alone = place->draft <= Draft::k7 && Keyword(place, "$ref") != nullptr;
  if (ref_alone) {
    out->push_back(std::move(branch));
    return {};
  }
  INFE_TRY(AssertType(branch, place));
  INFE_TRY(AssertString(branch, place));
  INFE_TRY(AssertNumber(branch, place));
  INFE_TRY(AssertObject(branch, place));
  INFE_TRY(AssertArray(branch, place));
  INFE_TRY(AssertUnevaluated(branch, place));
  Branches branches;
  branches.push_back(std::move(branch));
  INFE_TRY(AssertEnum(place, &branches));
  INFE_TRY(AssertAnyOf(place, &branches));
  INFE_TRY(AssertOneOf(place, &branches));
  INFE_TRY(AssertConditions(place, &branches));
  for (Branch& b : branches) out->push_back(std::move(b));
  return {};
}

// A chain of schemas that hold a reference and nothing to validate by, back to where it began, says
// nothing and never ends. One that says something besides is read once.
Result<void> Normaliser::CheckReference(const Place* place) {
  std::set<const Place*> seen;
  for (const Place* at = place; seen.insert(at).second;) {
    const Json* ref = Keyword(at, "$ref");
    const bool ends = checked_references_.contains(at) || ref == nullptr || !ref->is_string() ||
                      HasAssertion(*at->schema);
    const auto target = ends ? at : context_->document().Resolve(at, ref->as_string());
    if (!target && target.error().code != ErrorCode::kNotFound) return Error(target.error());
    if (!ends && target && (*target)->schema->is_object()) {
      at = *target;
      continue;
    }
    checked_references_.insert(seen.begin(), seen.end());
    return {};
  }
  return InvalidArgument("'$ref' leads back to itself and says nothing else",
                         place->path + "/$ref");
}

Result<void> Normaliser::AssertReferences(Branch& branch, const Place* place) {
  if (const Json* ref = Keyword(place, "$ref")) {
    if (!ref->is_string()) return SchemaContext::Malformed(place, "$ref", "must be a string");
    INFE_TRY(CheckReference(place));
    INFE_ASSIGN(const Place* target, context_->Target(place, ref->as_string()));
    if (target != nullptr) branch.todo.push_back({target, false, branch.scope});
    if (place->draft <= Draft::k7) return {};
  }
  for (const char* name : {"$dynamicRef", "$recursiveRef"}) {
    const Json* ref = Keyword(place, name);
    if (ref == nullptr) continue;
    if (!ref->is_string()) return SchemaContext::Malformed(place, name, "must be a string");
    const auto target = context_->document().ResolveDynamic(place, ref->as_string());
    if (target) {
      branch.todo.push_back({*target, false, branch.scope});
    } else {
      INFE_TRY(context_->NotEnforced(place, name, "its target depends on the path to it"));
    }
  }
  INFE_ASSIGN(const auto all_of, SchemaList(*context_, place, "allOf"));
  for (const Place* part : all_of) branch.todo.push_back({part, false, branch.scope});
  return {};
}

Result<void> Normaliser::AssertType(Branch& branch, const Place* place) {
  INFE_ASSIGN(const auto choice, TypeKeyword(place));
  if (!choice) return {};
  branch.shape.types &= choice->types;
  if (choice->integer_only) branch.shape.number.bounds.integer = true;
  return {};
}

Result<void> Normaliser::AssertString(Branch& branch, const Place* place) {
  StringPart& part = branch.shape.string;
  INFE_ASSIGN(const auto min, CountKeyword(place, "minLength"));
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxLength"));
  if (min && *min > kRepeatMax)
    return ResourceExhausted(
        fmt::format("In context={}, 'minLength' is larger than {} (kRepeatMax).",
                    place->path.empty() ? "()" : place->path, kRepeatMax),
        place->path + "/minLength");
  if (min) part.min = std::max(part.min, *min);
  if (max) part.max = std::min(part.max, *max);
  if (const Json* pattern = Keyword(place, "pattern")) {
    if (!pattern->is_string())
      return SchemaContext::Malformed(place, "pattern", "must be a string");
    const auto regex = context_->Pattern(place, "pattern", pattern->as_string());
    if (regex) {
      part.all.push_back(*regex);
    } else if (regex.error().code == ErrorCode::kUnsupported) {
      INFE_TRY(context_->NotEnforced(place, "pattern", regex.error().message));
    } else {
      return Error(regex.error());
    }
  }
  if (const Json* format = Keyword(place, "format");
      format != nullptr && context_->options().formats == FormatPolicy::kEnforce) {
    if (!format->is_string()) return SchemaContext::Malformed(place, "format", "must be a string");
    const std::string& name = format->as_string();
    if (const auto regex = context_->Format(name)) {
      part.all.push_back(*regex);
    } else if (!FormatBounds(name) && !IsFreeFormat(name) && Keyword(place, "pattern") == nullptr) {
      // The specification makes an unknown format an annotation. A pattern beside it says it all.
      return context_->NotEnforced(place, "format", fmt::format("no format \"{}\" is known", name));
    }
  }
  return {};
}

Result<void> Normaliser::AssertNumber(Branch& branch, const Place* place) {
  NumberBounds& bounds = branch.shape.number.bounds;
  INFE_ASSIGN(NumberBounds more, BoundsKeywords(place));
  const Json* format = Keyword(place, "format");
  if (format != nullptr && format->is_string() &&
      context_->options().formats == FormatPolicy::kEnforce) {
    if (const auto width = FormatBounds(format->as_string())) Narrow(*width, &bounds);
  }
  Narrow(more, &bounds);
  for (Decimal& m : more.multiples) {
    if (NumberRegex(context_->pool(), {.multiples = {m}})) {
      bounds.multiples.push_back(std::move(m));
    } else {
      INFE_TRY(context_->NotEnforced(place, "multipleOf", "more digits than we calculate with"));
    }
  }
  return {};
}

Result<void> Normaliser::AssertObject(Branch& branch, const Place* place) {
  ObjectPart& part = branch.shape.object;
  ObjectPart::Group group;
  group.scope = branch.scope;
  INFE_ASSIGN(const auto properties, SchemaMap(*context_, place, "properties"));
  part.declares = part.declares || Keyword(place, "properties") != nullptr;
  if (properties.size() > kPropertiesMax)
    return SchemaContext::OverLimit(place, "properties in one object", kPropertiesMax,
                                    "kPropertiesMax");
  for (const auto& [name, schema] : properties) group.properties.push_back({name, {schema, false}});
  INFE_ASSIGN(const auto patterns, SchemaMap(*context_, place, "patternProperties"));
  for (const auto& [pattern, schema] : patterns) {
    const auto regex = context_->Pattern(place, "patternProperties", pattern);
    if (regex) {
      group.patterns.push_back({*regex, {schema, false}});
    } else if (regex.error().code == ErrorCode::kUnsupported) {
      INFE_TRY(context_->NotEnforced(place, "patternProperties", regex.error().message));
    } else {
      return Error(regex.error());
    }
  }
  INFE_ASSIGN(const Place* additional, SchemaKeyword(*context_, place, "additionalProperties"));
  if (additional != nullptr) group.additional = Term{additional, false};
  if (!group.properties.empty() || !group.patterns.empty() || group.additional)
    part.groups.push_back(std::move(group));
  if (const Json* required = Keyword(place, "required")) {
    if (required->is_bool()) {
      INFE_TRY(context_->NotEnforced(place, "required", "a boolean, as draft-03 had it"));
    } else {
      INFE_ASSIGN(const auto names, StringList(place, "required", *required));
      part.required.insert(part.required.end(), names.begin(), names.end());
    }
  }
  INFE_ASSIGN(const auto min, CountKeyword(place, "minProperties"));
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxProperties"));
  if (min) part.min = std::max(part.min, *min);
  if (max) part.max = std::min(part.max, *max);
  INFE_ASSIGN(const Place* names, SchemaKeyword(*context_, place, "propertyNames"));
  if (names != nullptr) part.names.push_back({names, false});
  INFE_ASSIGN(Dependencies dependencies, DependencyKeywords(*context_, place));
  for (auto& [key, keys] : dependencies.keys) part.needs.emplace_back(key, std::move(keys));
  return {};
}

Result<void> Normaliser::AssertArray(Branch& branch, const Place* place) {
  ArrayPart& part = branch.shape.array;
  INFE_ASSIGN(auto group, ItemKeywords(*context_, place));
  if (group) {
    group->scope = branch.scope;
    part.groups.push_back(std::move(*group));
  }
  INFE_ASSIGN(const auto min, CountKeyword(place, "minItems"));
  INFE_ASSIGN(const auto max, CountKeyword(place, "maxItems"));
  if (min) part.min = std::max(part.min, *min);
  if (max) part.max = std::min(part.max, *max);
  INFE_ASSIGN(const auto contains, ContainsKeywords(*context_, place));
  part.has_contains = part.has_contains || contains.has_value();
  if (contains && (contains->min > 0 || contains->max != kUnbounded))
    part.contains.push_back(*contains);
  if (const Json* unique = Keyword(place, "uniqueItems")) {
    if (!unique->is_bool())
      return SchemaContext::Malformed(place, "uniqueItems", "must be a boolean");
    if (unique->as_bool()) part.unique = place;
  }
  return {};
}

namespace {

constexpr size_t kEvaluatingChoicesMax = 5;

}  // namespace

// A schema with unevaluated* sees what it and everything applied in place below it evaluates, and
// nothing beside it.
Result<void> Normaliser::OpenScope(Branch& branch, const Place* place) {
  bool needed = false;
  for (const char* name : {"unevaluatedProperties", "unevaluatedItems"})
    needed = needed || Keyword(place, name) != nullptr;
  if (!needed) return {};
  branch.shape.scopes.push_back(branch.scope);
  branch.scope = static_cast<uint32_t>(branch.shape.scopes.size());
  return {};
}

Result<void> Normaliser::AssertUnevaluated(Branch& branch, const Place* place) {
  // A keyword that says nothing still evaluates everything, for schemas around this one.
  const Json* properties = Keyword(place, "unevaluatedProperties");
  if (properties != nullptr) {
    INFE_ASSIGN(const Place* schema, SchemaKeyword(*context_, place, "unevaluatedProperties"));
    branch.shape.object.unevaluated.push_back({branch.scope, {schema, false}, place});
  }
  const Json* items = Keyword(place, "unevaluatedItems");
  if (items == nullptr) return {};
  INFE_ASSIGN(const Place* schema, SchemaKeyword(*context_, place, "unevaluatedItems"));
  branch.shape.array.unevaluated.push_back({branch.scope, {schema, false}, place});
  return {};
}

// One branch per choice. Where somebody asks what was evaluated, it matters whether several choices
// hold, so there is one branch per set of choices.
Result<void> Normaliser::AssertAnyOf(const Place* place, Branches* branches) {
  INFE_ASSIGN(const auto choices, SchemaList(*context_, place, "anyOf"));
  if (choices.empty()) return {};
  Branches spread;
  for (const Branch& b : *branches) {
    if (b.scope != 0 && choices.size() > kEvaluatingChoicesMax)
      INFE_TRY(context_->NotEnforced(place, "anyOf",
                                     "under unevaluated* only one of so many choices is seen"));
    if (b.scope != 0 && choices.size() <= kEvaluatingChoicesMax) {
      for (size_t set = 1; set < size_t{1} << choices.size(); ++set) {
        INFE_ASSIGN(Branch* const branch, Fork(b, place, &spread));
        for (size_t i = 0; i < choices.size(); ++i)
          if ((set >> i & 1) != 0) branch->todo.push_back({choices[i], false, b.scope});
      }
      continue;
    }
    for (const Place* choice : choices) {
      INFE_ASSIGN(Branch* const branch, Fork(b, place, &spread));
      branch->todo.push_back({choice, false, b.scope});
    }
  }
  *branches = std::move(spread);
  return {};
}

// A constant as a schema: what an object or array has to look like to be equal to it. To deny it,
// the closing condition is a count, which can be negated.
const Place* Normaliser::ConstSchema(const Place* like, const Json& value, bool to_deny) {
  const Place*& known = const_schemas_[{&value, to_deny}];
  if (known != nullptr) return known;
  Json schema = Json::MakeObject();
  const auto constant = [](const Json& v) {
    Json c = Json::MakeObject();
    c.set("const", v);
    return c;
  };
  if (value.is_object()) {
    schema.set("type", "object");
    Json properties = Json::MakeObject();
    Json required = Json::MakeArray();
    for (const auto& [key, member] : value.object()) {
      properties.set(key, constant(member));
      required.push_back(key);
    }
    const auto size = static_cast<uint64_t>(value.object().size());
    schema.set("properties", std::move(properties));
    schema.set("required", std::move(required));
    if (to_deny) {
      schema.set("maxProperties", size);
    } else {
      schema.set("additionalProperties", false);
    }
  } else {
    schema.set("type", "array");
    Json items = Json::MakeArray();
    for (const Json& item : value.array()) items.push_back(constant(item));
    const auto size = static_cast<uint64_t>(value.array().size());
    if (size > 0) schema.set("prefixItems", std::move(items));
    schema.set("minItems", size);
    schema.set("maxItems", size);
  }
  known = context_->document().Synthetic(std::move(schema), like);
  const_cast<Place*>(known)->draft = Draft::k2020;
  return known;
}

Result<void> Normaliser::AssertEnum(const Place* place, Branches* branches) {
  for (const char* name : {"enum", "const"}) {
    const Json* listed = Keyword(place, name);
    if (listed == nullptr) continue;
    std::vector<const Json*> values;
    if (std::string_view(name) == "const") {
      values.push_back(listed);
    } else {
      if (!listed->is_array()) return SchemaContext::Malformed(place, name, "must be an array");
      if (listed->array().size() > kEnumValuesMax)
        return SchemaContext::OverLimit(place, "values in 'enum'", kEnumValuesMax,
                                        "kEnumValuesMax");
      for (const Json& value : listed->array()) values.push_back(&value);
    }
    TypeSet types = 0;
    std::vector<std::string> strings;
    std::vector<RegexId> numbers;
    std::vector<const Json*> compounds;
    for (const Json* value : values) {
      if (value->is_object() || value->is_array()) {
        compounds.push_back(value);
        continue;
      }
      types |= TypeOf(*value);
      if (value->is_string()) strings.push_back(value->as_string());
      if (value->is_number()) {
        INFE_ASSIGN(const Decimal number, ParseDecimal(value->number_text()));
        numbers.push_back(
            EqualNumberRegex(context_->pool(), number, context_->options().integers_with_fraction));
      }
    }
    const RegexId texts = strings.empty() ? kNothing : context_->pool().Literals(strings);
    const RegexId decimals = context_->pool().Or(std::move(numbers));
    Branches spread;
    for (Branch& branch : *branches) {
      for (const Json* value : compounds) {
        if ((branch.shape.types & TypeOf(*value)) == 0) continue;
        INFE_ASSIGN(Branch* const one, Fork(branch, place, &spread));
        one->todo.push_back({ConstSchema(place, *value, false), false, 0});
      }
      branch.shape.types &= types;
      if (branch.shape.types == 0) continue;
      if ((branch.shape.types & kStringType) != 0) {
        branch.shape.string.all.push_back(texts);
        branch.shape.string.listed = true;
      }
      if ((branch.shape.types & kNumberType) != 0) branch.shape.number.all.push_back(decimals);
      spread.push_back(std::move(branch));
    }
    *branches = std::move(spread);
  }
  return {};
}

// Appends a term to every branch, or leaves a branch out when that is impossible.
Result<void> Normaliser::AssertConditions(const Place* place, Branches* branches) {
  if (const Json* value = Keyword(place, "not")) {
    INFE_ASSIGN(const Place* inner, SchemaKeyword(*context_, place, "not"));
    (void)value;
    std::string keyword;
    if (CanDeny(inner, &keyword)) {
      for (Branch& b : *branches) b.todo.push_back({inner, true});
    } else {
      INFE_TRY(context_->NotEnforced(place, "not",
                                     "the opposite of '" + keyword + "' cannot be expressed"));
    }
  }
  INFE_ASSIGN(const Place* condition, SchemaKeyword(*context_, place, "if"));
  if (condition != nullptr) {
    INFE_ASSIGN(const Place* then, SchemaKeyword(*context_, place, "then"));
    INFE_ASSIGN(const Place* otherwise, SchemaKeyword(*context_, place, "else"));
    std::string keyword;
    const bool evaluates =
        std::ranges::any_of(*branches, [](const Branch& b) { return b.scope != 0; });
    if (then == nullptr && otherwise == nullptr && !evaluates) {
      // Says nothing.
    } else if (!CanDeny(condition, &keyword)) {
      INFE_TRY(context_->NotEnforced(place, "if",
                                     "the opposite of '" + keyword + "' cannot be expressed"));
    } else {
      Branches spread;
      for (const Branch& b : *branches) {
        INFE_ASSIGN(Branch * way, Fork(b, place, &spread));
        way->todo.push_back({condition, false, b.scope});
        if (then != nullptr) way->todo.push_back({then, false, b.scope});
        INFE_ASSIGN(way, Fork(b, place, &spread));
        way->todo.push_back({condition, true});
        if (otherwise != nullptr) way->todo.push_back({otherwise, false, b.scope});
      }
      *branches = std::move(spread);
    }
  }
  INFE_ASSIGN(const Dependencies dependencies, DependencyKeywords(*context_, place));
  for (const auto& [key, schema] : dependencies.schemas) {
    Branches spread;
    for (Branch& b : *branches) {
      if ((b.shape.types & kObjectType) != 0) {
        INFE_ASSIGN(Branch* const with, Fork(b, place, &spread));
        with->shape.types = kObjectType;
        with->shape.object.required.push_back(key);
        with->shape.object.assumed.push_back(key);
        with->todo.push_back({schema, false, b.scope});
        b.shape.object.forbidden.push_back(key);
      }
      spread.push_back(std::move(b));
    }
    *branches = std::move(spread);
  }
  return {};
}

}  // namespace infe::grammar
