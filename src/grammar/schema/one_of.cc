// oneOf: alternatives that cannot both hold are a plain choice; of others each comes with the
// denial of those beside it.
#include <algorithm>

#include "grammar/limits.h"
#include "grammar/schema/keywords.h"
#include "grammar/schema/normalise.h"

namespace infe::grammar {

Result<void> Normaliser::AssertOneOf(const Place* place, Branches* branches) {
  INFE_ASSIGN(const auto choices, SchemaList(*context_, place, "oneOf"));
  if (choices.empty()) return {};
  // For each choice the others that might hold as well: those have to be denied beside it.
  std::vector<Terms> beside(choices.size());
  bool expressible = true;
  std::string keyword;
  for (size_t i = 0; i < choices.size() && expressible; ++i) {
    for (size_t j = i + 1; j < choices.size() && expressible; ++j) {
      INFE_TRY(context_->CheckTime());
      INFE_ASSIGN(const bool disjoint, Disjoint({choices[i], false}, {choices[j], false}, 3));
      if (disjoint) continue;
      beside[i].push_back({choices[j], true});
      beside[j].push_back({choices[i], true});
      std::set<const Place*> seen;
      expressible = CanDeny(choices[i], &seen, &keyword) && CanDeny(choices[j], &seen, &keyword);
    }
  }
  if (!expressible) {
    for (Terms& terms : beside) terms.clear();
    INFE_TRY(context_->NotEnforced(place, "oneOf",
                                   "alternatives may overlap, and the opposite of '" + keyword +
                                       "' cannot be expressed; any of them is taken"));
  }
  Branches spread;
  for (const Branch& b : *branches) {
    for (size_t i = 0; i < choices.size(); ++i) {
      spread.push_back(b);
      spread.back().todo.push_back({choices[i], false, b.scope});
      for (const Term& term : beside[i]) spread.back().todo.push_back(term);
    }
  }
  *branches = std::move(spread);
  return {};
}

namespace {

// The string that a schema fixes by `const` or an `enum` of one, null if it does not.
const std::string* FixedString(const Json& schema) {
  const Json* value = schema.find("const");
  const Json* listed = schema.find("enum");
  if (value == nullptr && listed != nullptr && listed->is_array() && listed->array().size() == 1)
    value = &listed->array().front();
  return value != nullptr && value->is_string() ? &value->as_string() : nullptr;
}

bool Requires(const Json& schema, std::string_view key) {
  const Json* required = schema.find("required");
  if (required == nullptr || !required->is_array()) return false;
  return std::ranges::any_of(required->array(),
                             [&](const Json& k) { return k.is_string() && k.as_string() == key; });
}

// Two schemas that fix different strings, or different strings in a member that both require: the
// usual discriminators, seen without a closer look.
bool FixDifferentStrings(const Json& a, const Json& b) {
  if (!a.is_object() || !b.is_object()) return false;
  if (a.find("$ref") != nullptr || b.find("$ref") != nullptr) return false;
  const std::string* one = FixedString(a);
  const std::string* other = FixedString(b);
  if (one != nullptr && other != nullptr) return *one != *other;
  const Json* type = a.find("type");
  const Json* members = a.find("properties");
  const Json* others = b.find("properties");
  const Json* other_type = b.find("type");
  const auto object = [](const Json* t) {
    return t != nullptr && t->is_string() && t->as_string() == "object";
  };
  if (members == nullptr || others == nullptr || !members->is_object() || !others->is_object() ||
      (!object(type) && !object(other_type)))
    return false;
  for (const auto& [key, schema] : members->object()) {
    one = schema.is_object() ? FixedString(schema) : nullptr;
    if (one == nullptr) continue;
    const Json* counterpart = others->find(key);
    other =
        counterpart != nullptr && counterpart->is_object() ? FixedString(*counterpart) : nullptr;
    if (other != nullptr && *one != *other && Requires(a, key) && Requires(b, key)) return true;
  }
  return false;
}

}  // namespace

Result<bool> Normaliser::Disjoint(const Term& a, const Term& b, int depth) {
  if (!a.negated && !b.negated && FixDifferentStrings(*a.place->schema, *b.place->schema))
    return true;
  return IsEmpty({a, b}, depth);
}

// Whether no value fits: no shape at all, or each contradicts itself where it can be seen easily.
Result<bool> Normaliser::IsEmpty(const Terms& terms, int depth) {
  auto shapes = Shapes(terms);
  if (!shapes) {
    if (shapes.error().code == ErrorCode::kResourceExhausted) return false;
    return Error(shapes.error());
  }
  for (const Shape& shape : *shapes) {
    TypeSet types = shape.types;
    if ((types & kStringType) != 0) {
      RegexPool& pool = context_->pool();
      std::vector<RegexId> all = shape.string.all;
      all.push_back(pool.Repeat(pool.Class(CharSet::All()), shape.string.min, shape.string.max));
      if (shape.string.min > shape.string.max || pool.IsEmpty(pool.And(std::move(all))))
        types &= static_cast<TypeSet>(~kStringType);
    }
    if ((types & kNumberType) != 0) {
      auto regex = NumberRegex(context_->pool(), shape.number.bounds);
      if (regex) {
        std::vector<RegexId> all = shape.number.all;
        all.push_back(*regex);
        if (context_->pool().IsEmpty(context_->pool().And(std::move(all))))
          types &= static_cast<TypeSet>(~kNumberType);
      }
    }
    if ((types & kArrayType) != 0 && shape.array.min > shape.array.max)
      types &= static_cast<TypeSet>(~kArrayType);
    if ((types & kObjectType) != 0) {
      const ObjectPart& object = shape.object;
      bool empty = object.min > object.max;
      for (const std::string& name : object.required) {
        if (empty) break;
        if (std::ranges::find(object.forbidden, name) != object.forbidden.end()) {
          empty = true;
          break;
        }
        if (depth <= 0) continue;
        Terms member;
        for (const ObjectPart::Group& group : object.groups) {
          bool covered = !group.patterns.empty();  // patterns are left to the real compilation
          for (const auto& [key, term] : group.properties) {
            if (key != name) continue;
            member.push_back(term);
            covered = true;
          }
          if (!covered && group.additional) member.push_back(*group.additional);
        }
        for (const auto& [key, term] : object.extra)
          if (key == name) member.push_back(term);
        std::sort(member.begin(), member.end());
        member.erase(std::unique(member.begin(), member.end()), member.end());
        if (member.empty()) continue;
        INFE_ASSIGN(empty, IsEmpty(member, depth - 1));
      }
      if (empty) types &= static_cast<TypeSet>(~kObjectType);
    }
    if (types != 0) return false;
  }
  return true;
}

}  // namespace infe::grammar
