// A schema compiled into a program under construction, for grammars that hold several (tool calls).
#pragma once

#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/notation.h"
#include "grammar/program_builder.h"

namespace infe::grammar {

// notation: as Lowering has it; borrowed for the call.
Result<Value> CompileSchemaInto(ProgramBuilder& builder, const Json& schema,
                                const SchemaOptions& options, std::vector<Unenforced>* unenforced,
                                const Notation* notation = nullptr);

}  // namespace infe::grammar
