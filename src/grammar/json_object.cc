// JSON mode: any object, nothing before it and nothing behind it.
#include "grammar/grammar.h"
#include "grammar/json_values.h"

namespace infe::grammar {

Result<GrammarPtr> CompileJsonObject(Whitespace whitespace) {
  ProgramBuilder builder;
  JsonValues values(&builder, whitespace);
  const NodeId root = values.Whole({{}, {values.AnyObject()}});
  INFE_ASSIGN(Program program, builder.Finish(root));
  return GrammarPtr(std::make_shared<const Grammar>(std::move(program)));
}

}  // namespace infe::grammar
