// A schema's meaning for one value, with choices spread out: a Shape is a set of types and, for
// each type, constraints that all hold at once. A schema is a list of shapes of which one has to
// fit. Subschemas of members and items stay references (Term lists) until their turn.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/held_bytes.h"
#include "grammar/number_regex.h"
#include "grammar/regex_pool.h"
#include "grammar/schema/document.h"

namespace infe::grammar {

// A subschema that has to hold, or has to fail.
struct Term {
  const Place* place = nullptr;
  bool negated = false;
  // Whose unevaluatedProperties or unevaluatedItems may see what this evaluates (Shape::scopes); 0:
  // nobody's.
  uint32_t scope = 0;
  auto operator<=>(const Term&) const = default;
};
using Terms = std::vector<Term>;  // all of them; sorted and unique when used as a key

using TypeSet = uint8_t;
inline constexpr TypeSet kNullType = 1;
inline constexpr TypeSet kTrueType = 2;
inline constexpr TypeSet kFalseType = 4;
inline constexpr TypeSet kNumberType = 8;
inline constexpr TypeSet kStringType = 16;
inline constexpr TypeSet kArrayType = 32;
inline constexpr TypeSet kObjectType = 64;
inline constexpr TypeSet kAllTypes = 127;

struct StringPart {
  std::vector<RegexId> all;  // regexes over the decoded text
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  bool listed = false;  // values from enum or const: written in one spelling only
};

struct NumberPart {
  NumberBounds bounds;
  std::vector<RegexId> all;  // regexes over the decimal text
};

// What holds for members or items that nothing within scope has evaluated.
struct Unevaluated {
  uint32_t scope = 0;
  Term term;
  const Place* owner = nullptr;  // the schema that says so
};

struct ObjectPart {
  // The three keywords that look at each other within one schema.
  struct Group {
    uint32_t scope = 0;
    std::vector<std::pair<std::string, Term>> properties;
    std::vector<std::pair<RegexId, Term>> patterns;
    std::optional<Term> additional;
  };
  std::vector<Group> groups;
  bool declares = false;  // one of them has the keyword `properties`, if only an empty one
  std::vector<Unevaluated> unevaluated;
  std::vector<std::pair<std::string, Term>> extra;  // if the member is there, this holds, too
  std::vector<std::string> required;
  std::vector<std::string> assumed;  // of `required`, once more: only this way through has them
  std::vector<std::string> forbidden;
  std::vector<std::pair<std::string, std::vector<std::string>>> needs;
  Terms names;  // what every key has to be
  uint32_t min = 0;
  uint32_t max = kUnbounded;
};

struct ArrayPart {
  struct Group {
    uint32_t scope = 0;
    std::vector<Term> prefix;
    std::optional<Term> rest;
  };
  struct Contains {
    Term term;
    uint32_t min = 1;
    uint32_t max = kUnbounded;
  };
  std::vector<Group> groups;
  std::vector<Unevaluated> unevaluated;
  std::vector<std::pair<uint32_t, Term>> at;  // the item at an index
  std::vector<Contains> contains;
  bool has_contains = false;  // also one that asks for nothing: it evaluates items
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  std::optional<const Place*> unique;  // the schema that asks for it
};

struct Shape {
  TypeSet types = kAllTypes;
  // Scope i + 1 is opened by a schema with unevaluated*, within the scope scopes[i].
  std::vector<uint32_t> scopes;

  // Whether what is evaluated in `inner` is seen in `outer`.
  bool Sees(uint32_t outer, uint32_t inner) const {
    while (inner != outer && inner != 0) inner = scopes[inner - 1];
    return inner == outer;
  }
  StringPart string;
  NumberPart number;
  ObjectPart object;
  ArrayPart array;
  HeldBytes held = {};  // about what it takes, in the fuel of the compilation
};

}  // namespace infe::grammar
