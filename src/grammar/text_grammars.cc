#include "grammar/text_grammars.h"

#include "grammar/ecma_regex.h"
#include "grammar/grammar.h"
#include "grammar/limits.h"
#include "grammar/program_builder.h"

namespace infe::grammar {
namespace {

Result<GrammarPtr> Finished(ProgramBuilder& builder, NodeId root) {
  INFE_ASSIGN(Program program, builder.Finish(root));
  return GrammarPtr(std::make_shared<const Grammar>(std::move(program)));
}

// The whole text is one match of the lexeme's content. A lexeme is never empty, so the empty text
// is a way of its own.
Result<GrammarPtr> OneLexeme(ProgramBuilder& builder, Lexeme lexeme) {
  RegexPool& pool = builder.pool();
  const NodeId root = builder.AddNode();
  const StateId start = builder.AddState(root);
  const StateId end = builder.AddState(root);
  builder.SetStart(root, start);
  builder.SetFinal(end);
  if (pool.Nullable(lexeme.content)) {
    builder.Free(start, end);
    lexeme.content = pool.And(lexeme.content, pool.Not(kEmptyText));
  }
  lexeme.last = true;
  if (!pool.IsEmpty(lexeme.content)) builder.Lex(start, builder.AddLexeme(lexeme), end);
  return Finished(builder, root);
}

}  // namespace

Result<GrammarPtr> CompileRegex(std::string_view pattern, const CompileBudget& budget) {
  ProgramBuilder builder(budget);
  builder.Reads(pattern.size());
  INFE_ASSIGN(const RegexId content, CompilePattern(builder.pool(), pattern, PatternMode::kWhole));
  return OneLexeme(builder, {.content = content});
}

Result<GrammarPtr> CompileChoice(const std::vector<std::string>& choices,
                                 const CompileBudget& budget) {
  if (choices.empty()) return InvalidArgument("a choice needs at least one text");
  if (choices.size() > kEnumValuesMax)
    return ResourceExhausted("a choice of more texts than kEnumValuesMax");
  ProgramBuilder builder(budget);
  for (const std::string& choice : choices) builder.Reads(choice.size());
  return OneLexeme(builder, {.content = builder.pool().Literals(choices), .listed = true});
}

Result<GrammarPtr> CompileGbnf(std::string_view source, const CompileBudget& budget) {
  ProgramBuilder builder(budget);
  INFE_ASSIGN(const NodeId root, GbnfInto(builder, source, Spelling::kUtf8));
  return Finished(builder, root);
}

Result<GrammarPtr> CompileLark(std::string_view source, const CompileBudget& budget) {
  ProgramBuilder builder(budget);
  INFE_ASSIGN(const NodeId root, LarkInto(builder, source, Spelling::kUtf8));
  return Finished(builder, root);
}

}  // namespace infe::grammar
