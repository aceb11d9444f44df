// The class behind parser.h. Statements are in parser.cc, expressions in expression_parser.cc.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "jinja/ast.h"
#include "jinja/lexer.h"

namespace infe::jinja {

// Brackets and blocks inside each other. CPython refuses generated code past about 200 brackets.
inline constexpr int kNestingMax = 100;
// Height of one expression: a chain of n operators is n high.
inline constexpr uint32_t kExprDepthMax = 400;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(Tokenize(source)) {}

  Block ParseTemplate() {
    Block body = ParseBody({});
    if (Current().kind != TokenKind::kEnd) FailUnexpected();
    return body;
  }

 private:
  // -- tokens
  const Token& Current() const { return tokens_[at_]; }
  const Token& Look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& Take() {
    const Token& token = tokens_[at_];
    if (token.kind != TokenKind::kEnd) ++at_;
    return token;
  }
  bool IsOperator(std::string_view op) const {
    return Current().kind == TokenKind::kOperator && Current().text == op;
  }
  static bool IsNameToken(const Token& token, std::string_view name) {
    return token.kind == TokenKind::kName && token.text == name;
  }
  bool IsName(std::string_view name) const { return IsNameToken(Current(), name); }
  bool SkipOperator(std::string_view op) {
    if (!IsOperator(op)) return false;
    Take();
    return true;
  }
  bool SkipName(std::string_view name) {
    if (!IsName(name)) return false;
    Take();
    return true;
  }
  static std::string Describe(const Token& token) {
    switch (token.kind) {
      case TokenKind::kData:
        return "template data / text";
      case TokenKind::kVariableBegin:
        return "begin of print statement";
      case TokenKind::kVariableEnd:
        return "end of print statement";
      case TokenKind::kBlockBegin:
        return "begin of statement block";
      case TokenKind::kBlockEnd:
        return "end of statement block";
      case TokenKind::kInteger:
        return "integer";
      case TokenKind::kFloat:
        return "float";
      case TokenKind::kString:
        return "string";
      case TokenKind::kName:
      case TokenKind::kOperator:
        return token.text;
      case TokenKind::kEnd:
        return "end of template";
    }
    return {};
  }
  [[noreturn]] void FailHere(const std::string& message) const { FailAt(Current().line, message); }
  [[noreturn]] void FailUnexpected() const {
    FailHere(fmt::format("unexpected '{}'", Describe(Current())));
  }
  void Expect(TokenKind kind) {
    if (Current().kind != kind) {
      Token wanted;
      wanted.kind = kind;
      FailHere(fmt::format("expected token '{}', got '{}'",
                           kind == TokenKind::kName ? "name" : Describe(wanted),
                           Describe(Current())));
    }
    Take();
  }
  void ExpectOperator(std::string_view op) {
    if (!SkipOperator(op))
      FailHere(fmt::format("expected token '{}', got '{}'", op, Describe(Current())));
  }
  void ExpectName(std::string_view name) {
    if (!SkipName(name))
      FailHere(fmt::format("expected token '{}', got '{}'", name, Describe(Current())));
  }
  std::string TakeName() {
    if (Current().kind != TokenKind::kName)
      FailHere(fmt::format("expected token 'name', got '{}'", Describe(Current())));
    return Take().text;
  }

  // Counts nesting for as long as it lives.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kNestingMax) parser_.FailHere("the template is nested too deeply");
    }
    ~Nested() { --parser_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Parser& parser_;
  };

  // -- making nodes
  static StmtPtr MakeStmt(StmtKind kind, uint32_t line) {
    auto stmt = std::make_unique<Stmt>();
    stmt->kind = kind;
    stmt->line = line;
    return stmt;
  }
  static ExprPtr MakeExpr(ExprKind kind, uint32_t line) {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->line = line;
    return expr;
  }
  static void Deepen(Expr& expr, const ExprPtr& child) {
    if (!child) return;
    expr.depth = std::max(expr.depth, child->depth + 1);
    if (expr.depth > kExprDepthMax) FailAt(expr.line, "an expression is nested too deeply");
  }
  static void AddChild(Expr& expr, ExprPtr child) {
    Deepen(expr, child);
    expr.children.push_back(std::move(child));
  }
  template <typename... Children>
  static ExprPtr MakeExpr(ExprKind kind, uint32_t line, Children... children) {
    ExprPtr expr = MakeExpr(kind, line);
    (AddChild(*expr, std::move(children)), ...);
    return expr;
  }
  static ExprPtr MakeConstant(uint32_t line, Value value) {
    ExprPtr expr = MakeExpr(ExprKind::kConstant, line);
    expr->constant = std::move(value);
    return expr;
  }

  // -- statements
  using Names = std::initializer_list<std::string_view>;
  Block ParseBody(Names ends);
  Block ParseUntil(Names ends);
  Block ParseUntilAndDrop(std::string_view end) {
    Block body = ParseUntil({end});
    Take();
    return body;
  }
  StmtPtr ParseStatement();
  StmtPtr ParseSet();
  StmtPtr ParseFor();
  StmtPtr ParseIf();
  StmtPtr ParseWith();
  StmtPtr ParseMacro();
  StmtPtr ParseCallBlock();
  StmtPtr ParseGeneration();
  StmtPtr ParseFilterBlock();
  StmtPtr ParsePrint();
  void ParseSignature(MacroNode& macro);

  // -- expressions
  ExprPtr ParseExpression() { return ParseConditional(); }
  ExprPtr ParseConditional();
  ExprPtr ParseOr();
  ExprPtr ParseAnd();
  ExprPtr ParseNot();
  ExprPtr ParseCompare();
  ExprPtr ParseSum();
  ExprPtr ParseConcat();
  ExprPtr ParseProduct();
  ExprPtr ParsePower();
  ExprPtr ParseUnary(bool with_filter);
  ExprPtr ParsePrimary(bool with_namespace);
  ExprPtr ParseListLiteral();
  ExprPtr ParseDictLiteral();
  ExprPtr ParsePostfix(ExprPtr expr);
  ExprPtr ParseFilterExpr(ExprPtr expr);
  ExprPtr ParseSubscript(ExprPtr expr);
  ExprPtr ParseSubscribed(ExprPtr value);
  ExprPtr ParseCall(ExprPtr callee);
  ExprPtr ParseFilters(ExprPtr input, bool start_inline);
  ExprPtr ParseTest(ExprPtr expr);
  void ParseArguments(Expr& expr);

  struct TupleRules {
    bool simplified = false;  // primaries only: assignment targets
    bool with_conditional = true;
    std::string_view end_name = {};  // a name that ends the tuple
    bool parenthesised = false;
    bool with_namespace = false;
  };
  ExprPtr ParseTuple(const TupleRules& rules);
  ExprPtr ParseTarget(const TupleRules& rules);
  void CheckTarget(const Expr& target) const;

  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace infe::jinja
