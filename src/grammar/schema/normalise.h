// From terms to shapes: references followed, allOf merged, the choices of anyOf, oneOf, if and not
// spread out, negation pushed down to the single assertions.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "grammar/schema/context.h"
#include "grammar/schema/shape.h"

namespace infe::grammar {

class Normaliser {
 public:
  explicit Normaliser(SchemaContext* context) : context_(context) {}

  // All shapes of which a value must fit one, so that every term holds. None: nothing fits.
  Result<std::vector<Shape>> Shapes(const Terms& terms);

  // Whether values that a term does not hold for can be described.
  bool CanCountMisses(const Term& term) {
    std::set<const Place*> seen;
    std::string keyword;
    return term.negated || CanDeny(term.place, &seen, &keyword);
  }

 private:
  // One way through the choices so far: what is settled, and what is still to be read.
  struct Branch {
    Shape shape;
    Terms todo;
    std::set<Term> done;
    uint32_t scope = 0;  // of the schema that is being read
  };
  using Branches = std::vector<Branch>;

  Result<void> Apply(Branch branch, const Term& term, Branches* out);
  Result<void> Assert(Branch branch, const Place* place, Branches* out);
  Result<void> Deny(Branch branch, const Place* place, Branches* out);

  // Parts of Assert: keywords of one type each, without choices.
  Result<void> AssertType(Branch& branch, const Place* place);
  Result<void> AssertString(Branch& branch, const Place* place);
  Result<void> AssertNumber(Branch& branch, const Place* place);
  Result<void> AssertObject(Branch& branch, const Place* place);
  Result<void> AssertArray(Branch& branch, const Place* place);
  Result<void> AssertReferences(Branch& branch, const Place* place);
  Result<void> CheckReference(const Place* place);
  Result<void> AssertUnevaluated(Branch& branch, const Place* place);
  Result<void> OpenScope(Branch& branch, const Place* place);
  // Parts with choices.
  Result<void> AssertEnum(const Place* place, Branches* branches);
  Result<void> AssertConditions(const Place* place, Branches* branches);
  Result<void> AssertAnyOf(const Place* place, Branches* branches);
  Result<void> AssertOneOf(const Place* place, Branches* branches);

  Result<void> DenyValues(const Branch& branch, const Place* place, const Json::Array& values,
                          Branches* out);
  Result<void> DenyObject(const Branch& branch, const Place* place, Branches* out);
  Result<void> DenyArray(const Branch& branch, const Place* place, Branches* out);
  Result<void> DenyScalar(const Branch& branch, const Place* place, Branches* out);

  // Whether "not schema" can be expressed; the keyword in the way otherwise.
  bool CanDeny(const Place* place, std::set<const Place*>* seen, std::string* keyword);
  // Whether no value fits both, as far as a shallow look tells.
  Result<bool> Disjoint(const Term& a, const Term& b, int depth);
  Result<bool> IsEmpty(const Terms& terms, int depth);

  const Place* ConstSchema(const Place* like, const Json& value, bool to_deny);

  SchemaContext* context_;
  std::map<std::pair<const Json*, bool>, const Place*> const_schemas_;
  std::map<const Place*, bool> deniable_;
};

TypeSet TypeOf(const Json& value);

}  // namespace infe::grammar
