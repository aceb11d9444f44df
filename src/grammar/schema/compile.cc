// CompileJsonSchema: the steps in their order.
#include "grammar/schema/compile.h"

#include <memory>

#include <fmt/format.h>

#include "grammar/grammar.h"
#include "grammar/limits.h"
#include "grammar/program.h"
#include "grammar/schema/lower.h"

namespace infe::grammar {

Result<Value> CompileSchemaInto(ProgramBuilder& builder, const Json& schema,
                                const SchemaOptions& options, std::vector<Unenforced>* unenforced,
                                const Notation* notation) {
  builder.Reads(schema.Dump().size());
  INFE_ASSIGN(std::unique_ptr<Document> document,
              Document::Make(schema, options.default_dialect, &builder.fuel()));
  SchemaContext context(options, document.get(), &builder);
  if (!document->unknown_dialect().empty())
    INFE_TRY(context.NotEnforced(
        document->root(), "$schema",
        fmt::format("{} is not a dialect we know", document->unknown_dialect())));
  Lowering lowering(&context, &builder, notation);
  INFE_ASSIGN(Value root, lowering.LowerRoot({{document->root(), false}}));
  INFE_TRY(lowering.Drain());
  INFE_TRY(builder.Check("the schema"));
  const std::vector<Unenforced> named = context.TakeUnenforced();
  unenforced->insert(unenforced->end(), named.begin(), named.end());
  return root;
}

Result<GrammarPtr> CompileJsonSchema(const Json& schema, const SchemaOptions& options,
                                     const CompileBudget& budget) {
  ProgramBuilder builder(budget);
  std::vector<Unenforced> unenforced;
  INFE_ASSIGN(const Value value, CompileSchemaInto(builder, schema, options, &unenforced));
  JsonValues values(&builder, options.whitespace);
  INFE_ASSIGN(Program program, builder.Finish(values.Whole(value)));
  return GrammarPtr(std::make_shared<const Grammar>(std::move(program), std::move(unenforced)));
}

}  // namespace infe::grammar
