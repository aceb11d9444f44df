#include "jinja/parser.h"

#include "jinja/parser_state.h"

namespace infe::jinja {

// Statements up to one of `ends`, whose name is then the current token, or the end of the template.
Block Parser::ParseBody(Names ends) {
  Nested nested(*this);
  Block body;
  for (;;) {
    const Token& token = Current();
    switch (token.kind) {
      case TokenKind::kData: {
        StmtPtr stmt = MakeStmt(StmtKind::kText, token.line);
        stmt->text = Text::Trusted(token.text);
        body.push_back(std::move(stmt));
        Take();
        break;
      }
      case TokenKind::kVariableBegin: {
        Take();
        StmtPtr stmt = MakeStmt(StmtKind::kPrint, token.line);
        stmt->expressions.push_back(ParseTuple({}));
        body.push_back(std::move(stmt));
        Expect(TokenKind::kVariableEnd);
        break;
      }
      case TokenKind::kBlockBegin:
        Take();
        for (std::string_view end : ends)
          if (IsName(end)) return body;
        body.push_back(ParseStatement());
        Expect(TokenKind::kBlockEnd);
        break;
      case TokenKind::kEnd:
        return body;
      default:
        FailUnexpected();
    }
  }
}

Block Parser::ParseUntil(Names ends) {
  SkipOperator(":");
  Expect(TokenKind::kBlockEnd);
  Block body = ParseBody(ends);
  if (Current().kind == TokenKind::kEnd)
    FailHere(
        fmt::format("Unexpected end of template. Jinja was looking for the following tags: '{}'.",
                    fmt::join(ends, "' or '")));
  return body;
}

StmtPtr Parser::ParseStatement() {
  if (Current().kind != TokenKind::kName) FailHere("tag name expected");
  const std::string& tag = Current().text;
  if (tag == "if") return ParseIf();
  if (tag == "for") return ParseFor();
  if (tag == "set") return ParseSet();
  if (tag == "macro") return ParseMacro();
  if (tag == "call") return ParseCallBlock();
  if (tag == "filter") return ParseFilterBlock();
  if (tag == "with") return ParseWith();
  if (tag == "print") return ParsePrint();
  if (tag == "generation") return ParseGeneration();
  if (tag == "break" || tag == "continue") {
    StmtPtr stmt =
        MakeStmt(tag == "break" ? StmtKind::kBreak : StmtKind::kContinue, Current().line);
    Take();
    return stmt;
  }
  for (std::string_view known : {"block", "extends", "include", "import", "from", "autoescape"})
    if (tag == known) FailHere(fmt::format("the tag '{}' is not supported in chat templates", tag));
  FailHere(fmt::format("Encountered unknown tag '{}'.", tag));
}

StmtPtr Parser::ParseSet() {
  const uint32_t line = Take().line;
  ExprPtr target = ParseTarget({.simplified = true, .with_namespace = true});
  if (SkipOperator("=")) {
    StmtPtr stmt = MakeStmt(StmtKind::kSet, line);
    stmt->target = std::move(target);
    stmt->value = ParseTuple({});
    return stmt;
  }
  StmtPtr stmt = MakeStmt(StmtKind::kSetBlock, line);
  stmt->target = std::move(target);
  stmt->filter = ParseFilters(nullptr, false);
  stmt->body = ParseUntilAndDrop("endset");
  return stmt;
}

StmtPtr Parser::ParseFor() {
  StmtPtr stmt = MakeStmt(StmtKind::kFor, Take().line);
  stmt->loop = std::make_unique<ForNode>();
  ForNode& loop = *stmt->loop;
  const size_t target_at = at_;
  loop.target = ParseTarget({.simplified = true, .end_name = "in"});
  ExpectName("in");
  loop.iterable = ParseTuple({.with_conditional = false, .end_name = "recursive"});
  if (SkipName("if")) {
    loop.test = ParseExpression();
    const size_t after = at_;
    at_ = target_at;  // a second copy: the test has a scope of its own
    loop.test_target = ParseTarget({.simplified = true, .end_name = "in"});
    at_ = after;
  }
  loop.recursive = SkipName("recursive");
  loop.body = ParseUntil({"endfor", "else"});
  if (Take().text == "else") loop.else_body = ParseUntilAndDrop("endfor");
  return stmt;
}

StmtPtr Parser::ParseIf() {
  StmtPtr stmt = MakeStmt(StmtKind::kIf, Current().line);
  for (;;) {
    Take();  // if or elif
    IfBranch branch;
    branch.test = ParseTuple({.with_conditional = false});
    branch.body = ParseUntil({"elif", "else", "endif"});
    stmt->branches.push_back(std::move(branch));
    if (IsName("elif")) continue;
    if (Take().text == "else") stmt->branches.push_back({nullptr, ParseUntilAndDrop("endif")});
    return stmt;
  }
}

StmtPtr Parser::ParseWith() {
  StmtPtr stmt = MakeStmt(StmtKind::kWith, Take().line);
  while (Current().kind != TokenKind::kBlockEnd) {
    if (!stmt->targets.empty()) ExpectOperator(",");
    stmt->targets.push_back(ParseTarget({.simplified = true}));
    ExpectOperator("=");
    stmt->expressions.push_back(ParseExpression());
  }
  stmt->body = ParseUntilAndDrop("endwith");
  return stmt;
}

void Parser::ParseSignature(MacroNode& macro) {
  ExpectOperator("(");
  while (!IsOperator(")")) {
    if (!macro.parameters.empty()) ExpectOperator(",");
    macro.parameters.push_back(TakeName());
    if (SkipOperator("=")) {
      macro.defaults.push_back(ParseExpression());
    } else if (!macro.defaults.empty()) {
      FailHere("non-default argument follows default argument");
    }
  }
  ExpectOperator(")");
}

StmtPtr Parser::ParseMacro() {
  StmtPtr stmt = MakeStmt(StmtKind::kMacro, Take().line);
  stmt->macro = std::make_unique<MacroNode>();
  stmt->macro->name = TakeName();
  stmt->target = MakeExpr(ExprKind::kName, stmt->line);
  stmt->target->name = stmt->macro->name;
  CheckTarget(*stmt->target);
  ParseSignature(*stmt->macro);
  stmt->macro->body = ParseUntilAndDrop("endmacro");
  return stmt;
}

StmtPtr Parser::ParseCallBlock() {
  StmtPtr stmt = MakeStmt(StmtKind::kCallBlock, Take().line);
  stmt->macro = std::make_unique<MacroNode>();
  if (IsOperator("(")) ParseSignature(*stmt->macro);
  stmt->value = ParseExpression();
  if (stmt->value->kind != ExprKind::kCall) FailAt(stmt->line, "expected call");
  stmt->macro->body = ParseUntilAndDrop("endcall");
  return stmt;
}

StmtPtr Parser::ParseGeneration() {
  StmtPtr stmt = MakeStmt(StmtKind::kGeneration, Take().line);
  stmt->macro = std::make_unique<MacroNode>();
  stmt->macro->body = ParseUntilAndDrop("endgeneration");
  return stmt;
}

StmtPtr Parser::ParseFilterBlock() {
  StmtPtr stmt = MakeStmt(StmtKind::kFilterBlock, Take().line);
  stmt->filter = ParseFilters(nullptr, true);
  stmt->body = ParseUntilAndDrop("endfilter");
  return stmt;
}

StmtPtr Parser::ParsePrint() {
  StmtPtr stmt = MakeStmt(StmtKind::kPrint, Take().line);
  while (Current().kind != TokenKind::kBlockEnd) {
    if (!stmt->expressions.empty()) ExpectOperator(",");
    stmt->expressions.push_back(ParseExpression());
  }
  return stmt;
}

void Parser::CheckTarget(const Expr& target) const {
  switch (target.kind) {
    case ExprKind::kName:
    case ExprKind::kNamespaceRef:
      return;
    case ExprKind::kTuple:
      for (const ExprPtr& child : target.children) CheckTarget(*child);
      return;
    default:
      FailAt(target.line, "can't assign to this expression");
  }
}

ExprPtr Parser::ParseTarget(const TupleRules& rules) {
  ExprPtr target = ParseTuple(rules);
  CheckTarget(*target);
  return target;
}

Block Parse(std::string_view source) {
  return Parser(source).ParseTemplate();
}

}  // namespace infe::jinja
