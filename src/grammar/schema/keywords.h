// Reading a keyword's value, with an error that names keyword and place when it is of the wrong
// kind.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "grammar/schema/context.h"
#include "grammar/schema/shape.h"

namespace infe::grammar {

inline const Json* Keyword(const Place* place, std::string_view name) {
  return place->schema->find(name);
}
// A count such as minLength. Past what can matter it is clamped: kUnbounded.
Result<std::optional<uint32_t>> CountKeyword(const Place* place, std::string_view name);
Result<std::optional<Decimal>> NumberKeyword(const Place* place, std::string_view name);
// A subschema, or an error if it is something else.
Result<const Place*> SchemaKeyword(SchemaContext& context, const Place* place,
                                   std::string_view name);
// The members of a list of schemas.
Result<std::vector<const Place*>> SchemaList(SchemaContext& context, const Place* place,
                                             std::string_view name);
Result<std::vector<std::pair<std::string, const Place*>>> SchemaMap(SchemaContext& context,
                                                                    const Place* place,
                                                                    std::string_view name);
Result<std::vector<std::string>> StringList(const Place* place, std::string_view name,
                                            const Json& value);
// The types that `type` lists. integer: numbers only as integers.
struct TypeChoice {
  TypeSet types = kAllTypes;
  bool integer_only = false;
};
Result<std::optional<TypeChoice>> TypeKeyword(const Place* place);
// `nullable: true` of OpenAPI 3.0: null as well. False where `type` lists null already.
bool IsNullable(const Place* place);
// Bounds of all three dialect families: `exclusiveMinimum: true` and `exclusiveMinimum: 3`.
Result<NumberBounds> BoundsKeywords(const Place* place);
// `dependencies`, `dependentRequired`, `dependentSchemas` in one form.
struct Dependencies {
  std::vector<std::pair<std::string, std::vector<std::string>>> keys;
  std::vector<std::pair<std::string, const Place*>> schemas;
};
Result<Dependencies> DependencyKeywords(SchemaContext& context, const Place* place);
// prefixItems and items, or items and additionalItems, in one form.
Result<std::optional<ArrayPart::Group>> ItemKeywords(SchemaContext& context, const Place* place);
Result<std::optional<ArrayPart::Contains>> ContainsKeywords(SchemaContext& context,
                                                            const Place* place);

}  // namespace infe::grammar
