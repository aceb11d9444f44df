// oneOf: alternatives that cannot both hold are a plain choice; of others each comes with the
// denial of those beside it.
#include <algorithm>
#include <utility>

#include "grammar/limits.h"
#include "grammar/schema/keywords.h"
#include "grammar/schema/normalise.h"

namespace infe::grammar {

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

}  // namespace

bool FixesString(const Json& schema) {
  return schema.is_object() && FixedString(schema) != nullptr;
}

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

Result<void> Normaliser::AssertOneOf(const Place* place, Branches* branches) {
  INFE_ASSIGN(const auto choices, SchemaList(*context_, place, "oneOf"));
  if (choices.empty()) return {};
  if (choices.size() > kAlternativesMax)
    return SchemaContext::OverLimit(place, "alternatives in 'oneOf'", kAlternativesMax,
                                    "kAlternativesMax");
  // For each choice the others that might hold as well: those have to be denied beside it.
  std::vector<Terms> beside(choices.size());
  bool expressible = true;
  std::string keyword;
  HeldBytes held(&context_->fuel(), 0);
  for (size_t i = 0; levels_ > 0 && i < choices.size() && expressible; ++i) {
    for (size_t j = i + 1; j < choices.size() && expressible; ++j) {
      INFE_TRY(context_->Spend(choices[j], 2));
      INFE_ASSIGN(const bool disjoint, Disjoint(choices[i], choices[j], levels_ - 1));
      if (disjoint) continue;
      beside[i].push_back({choices[j], true});
      beside[j].push_back({choices[i], true});
      held.Grow(2 * sizeof(Term));
      expressible = CanDeny(choices[i], &keyword) && CanDeny(choices[j], &keyword);
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
      INFE_ASSIGN(Branch* const branch, Fork(b, place, &spread));
      branch->todo.push_back({choices[i], false, b.scope});
      branch->todo.insert(branch->todo.end(), beside[i].begin(), beside[i].end());
      branch->shape.held.Grow(beside[i].size() * sizeof(Term));
    }
  }
  *branches = std::move(spread);
  return {};
}

Result<bool> Normaliser::Disjoint(const Place* a, const Place* b, int levels) {
  if (FixDifferentStrings(*a->schema, *b->schema)) return true;
  if (const auto it = disjoint_.find({a, b});
      it != disjoint_.end() && (it->second.disjoint || it->second.levels >= levels))
    return it->second.disjoint;
  INFE_ASSIGN(const bool disjoint, IsEmpty({{a, false}, {b, false}}, levels));
  disjoint_[{a, b}] = {disjoint, levels};
  return disjoint;
}

// Whether no value fits: no shape at all, or each contradicts itself where it can be seen easily.
Result<bool> Normaliser::IsEmpty(const Terms& terms, int levels) {
  const int around = std::exchange(levels_, levels);
  auto shapes = Shapes(terms);
  levels_ = around;
  if (!shapes) {
    // Too many alternatives to look at all: perhaps not empty. Without fuel nothing goes on.
    if (shapes.error().code == ErrorCode::kResourceExhausted && !context_->fuel().empty())
      return false;
    return Error(shapes.error());
  }
  RegexPool& pool = context_->pool();
  for (const Shape& shape : *shapes) {
    TypeSet types = shape.types;
    if ((types & kStringType) != 0) {
      std::vector<RegexId> all = shape.string.all;
      all.push_back(pool.Repeat(pool.Class(CharSet::All()), shape.string.min, shape.string.max));
      if (shape.string.min > shape.string.max || pool.IsEmpty(pool.And(std::move(all))))
        types &= static_cast<TypeSet>(~kStringType);
    }
    if ((types & kNumberType) != 0) {
      auto regex = NumberRegex(pool, shape.number.bounds);
      if (regex) {
        std::vector<RegexId> all = shape.number.all;
        all.push_back(*regex);
        if (pool.IsEmpty(pool.And(std::move(all)))) types &= static_cast<TypeSet>(~kNumberType);
      }
    }
    if ((types & kArrayType) != 0 && shape.array.min > shape.array.max)
      types &= static_cast<TypeSet>(~kArrayType);
    if ((types & kObjectType) != 0) {
      const ObjectPart& object = shape.object;
      bool empty = object.min > object.max;
      for (const std::string& name : object.required) {
        if (empty) break;
        INFE_ASSIGN(empty, MemberIsEmpty(object, name, levels));
      }
      if (empty) types &= static_cast<TypeSet>(~kObjectType);
    }
    if (types != 0) return false;
  }
  return true;
}

// Whether a member that has to be there cannot be.
Result<bool> Normaliser::MemberIsEmpty(const ObjectPart& object, const std::string& name,
                                       int levels) {
  if (std::ranges::find(object.forbidden, name) != object.forbidden.end()) return true;
  if (levels <= 0) return false;
  Terms member;
  for (const ObjectPart::Group& group : object.groups) {
    INFE_TRY(context_->Spend(context_->document().root(), 1 + group.properties.size() / 4));
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
  if (member.empty()) return false;
  return IsEmpty(member, levels - 1);
}

}  // namespace infe::grammar
