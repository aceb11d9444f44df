#include "grammar/grammar.h"
namespace infe::grammar {
Result<GrammarPtr> CompileGbnf(std::string_view) {
  return Unsupported("GBNF");
}
Result<GrammarPtr> CompileLark(std::string_view) {
  return Unsupported("Lark");
}
}  // namespace infe::grammar
