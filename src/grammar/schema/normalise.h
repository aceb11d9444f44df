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
    std::string keyword;
    return term.negated || CanDeny(term.place, &keyword);
  }

 private:
  static constexpr int kDisjointLevels = 4;

  // One way through the choices so far: what is settled, and what is still to be read.
  struct Branch {
    Shape shape;
    Terms todo;
    std::set<Term> done;
    uint32_t scope = 0;  // of the schema that is being read
  };
  using Branches = std::vector<Branch>;

  // A copy of a branch, added to out and counted. Errors: kAlternativesMax, or the fuel; place is
  // where the choice stands. The pointer is valid until the next one.
  Result<Branch*> Fork(const Branch& from, const Place* place, Branches* out);
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
  bool CanDeny(const Place* place, std::string* keyword);
  // What of one schema alone stands in the way; "" for nothing. parts: schemas that would have to
  // be denied, too.
  std::string Undeniable(const Place* place, std::vector<const Place*>* parts);
  // The part of a branch for whose values place surely fails is moved to out, so that no opposite
  // has to be chosen there; what is left of the branch may be nothing.
  Result<void> TakeFailing(Branch* branch, const Place* place, Branches* out);
  // Whether no value fits both, as far as a look of so many levels tells.
  Result<bool> Disjoint(const Place* a, const Place* b, int levels);
  Result<bool> IsEmpty(const Terms& terms, int levels);
  Result<bool> MemberIsEmpty(const ObjectPart& object, const std::string& name, int levels);

  const Place* ConstSchema(const Place* like, const Json& value, bool to_deny);

  SchemaContext* context_;
  std::map<std::pair<const Json*, bool>, const Place*> const_schemas_;
  std::map<const Place*, std::string> deniable_;      // "", or the keyword in the way
  std::map<const Place*, const Place*> const_lists_;  // of `const`, as an enum of one
  std::set<const Place*> checked_references_;
  // Levels at which oneOf may still ask whether its alternatives are disjoint: a schema that
  // reaches itself could ask for ever. At none all are taken, which is more than fits and so never
  // calls a schema empty that is not.
  int levels_ = kDisjointLevels;
  struct Known {
    bool disjoint = false;
    int levels = 0;  // looked at
  };
  std::map<std::pair<const Place*, const Place*>, Known> disjoint_;
};

TypeSet TypeOf(const Json& value);
// Whether a schema allows one string only, by `const` or an `enum` of one.
bool FixesString(const Json& schema);
// Two schemas that fix different strings, or different strings in a member that both require: the
// usual discriminators, seen without a closer look.
bool FixDifferentStrings(const Json& a, const Json& b);

}  // namespace infe::grammar
