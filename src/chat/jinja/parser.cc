#include "chat/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include <fmt/format.h>

#include "chat/jinja/error.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/operators.h"

namespace infe::chat::jinja {
namespace {

// Brackets and blocks inside each other. CPython refuses generated code past about 200 brackets.
constexpr int kNestingMax = 100;
// Height of one expression: a chain of n operators is n high.
constexpr uint32_t kExprDepthMax = 400;

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

ExprPtr Parser::ParseConditional() {
  uint32_t line = Current().line;
  ExprPtr expr = ParseOr();
  while (SkipName("if")) {
    ExprPtr test = ParseOr();
    ExprPtr otherwise;
    if (SkipName("else")) {
      Nested nested(*this);
      otherwise = ParseConditional();
    }
    expr = MakeExpr(ExprKind::kConditional, line, std::move(test), std::move(expr),
                    std::move(otherwise));
    line = Current().line;
  }
  return expr;
}

ExprPtr Parser::ParseOr() {
  ExprPtr left = ParseAnd();
  while (SkipName("or")) {
    const uint32_t line = Current().line;
    left = MakeExpr(ExprKind::kOr, line, std::move(left), ParseAnd());
  }
  return left;
}

ExprPtr Parser::ParseAnd() {
  ExprPtr left = ParseNot();
  while (SkipName("and")) {
    const uint32_t line = Current().line;
    left = MakeExpr(ExprKind::kAnd, line, std::move(left), ParseNot());
  }
  return left;
}

ExprPtr Parser::ParseNot() {
  if (!IsName("not")) return ParseCompare();
  Nested nested(*this);
  const uint32_t line = Take().line;
  return MakeExpr(ExprKind::kNot, line, ParseNot());
}

ExprPtr Parser::ParseCompare() {
  const uint32_t line = Current().line;
  ExprPtr first = ParseSum();
  ExprPtr compare;
  for (;;) {
    std::optional<Comparison> op;
    if (Current().kind == TokenKind::kOperator) {
      const std::string& text = Current().text;
      if (text == "==") op = Comparison::kEqual;
      if (text == "!=") op = Comparison::kNotEqual;
      if (text == "<") op = Comparison::kLess;
      if (text == "<=") op = Comparison::kLessEqual;
      if (text == ">") op = Comparison::kGreater;
      if (text == ">=") op = Comparison::kGreaterEqual;
    } else if (IsName("in")) {
      op = Comparison::kIn;
    } else if (IsName("not") && IsNameToken(Look(), "in")) {
      Take();
      op = Comparison::kNotIn;
    }
    if (!op) return compare ? std::move(compare) : std::move(first);
    Take();
    if (!compare) compare = MakeExpr(ExprKind::kCompare, line, std::move(first));
    compare->comparisons.push_back(*op);
    AddChild(*compare, ParseSum());
  }
}

ExprPtr MakeArithmetic(ExprPtr expr, Arithmetic operation) {
  expr->arithmetic = static_cast<uint8_t>(operation);
  return expr;
}

ExprPtr Parser::ParseSum() {
  ExprPtr left = ParseConcat();
  while (IsOperator("+") || IsOperator("-")) {
    const auto operation = IsOperator("+") ? Arithmetic::kAdd : Arithmetic::kSubtract;
    const uint32_t line = Take().line;
    left = MakeArithmetic(MakeExpr(ExprKind::kArithmetic, line, std::move(left), ParseConcat()),
                          operation);
  }
  return left;
}

ExprPtr Parser::ParseConcat() {
  const uint32_t line = Current().line;
  ExprPtr first = ParseProduct();
  if (!IsOperator("~")) return first;
  ExprPtr concat = MakeExpr(ExprKind::kConcat, line, std::move(first));
  while (SkipOperator("~")) AddChild(*concat, ParseProduct());
  return concat;
}

ExprPtr Parser::ParseProduct() {
  ExprPtr left = ParsePower();
  for (;;) {
    Arithmetic operation = Arithmetic::kMultiply;
    if (IsOperator("/")) {
      operation = Arithmetic::kDivide;
    } else if (IsOperator("//")) {
      operation = Arithmetic::kFloorDivide;
    } else if (IsOperator("%")) {
      operation = Arithmetic::kModulo;
    } else if (!IsOperator("*")) {
      return left;
    }
    const uint32_t line = Take().line;
    left = MakeArithmetic(MakeExpr(ExprKind::kArithmetic, line, std::move(left), ParsePower()),
                          operation);
  }
}

ExprPtr Parser::ParsePower() {
  ExprPtr left = ParseUnary(true);
  while (IsOperator("**")) {
    const uint32_t line = Take().line;
    left = MakeArithmetic(MakeExpr(ExprKind::kArithmetic, line, std::move(left), ParseUnary(true)),
                          Arithmetic::kPower);
  }
  return left;
}

ExprPtr Parser::ParseUnary(bool with_filter) {
  Nested nested(*this);
  const uint32_t line = Current().line;
  ExprPtr expr;
  if (SkipOperator("-")) {
    expr = MakeExpr(ExprKind::kNegate, line, ParseUnary(false));
  } else if (SkipOperator("+")) {
    expr = MakeExpr(ExprKind::kPlus, line, ParseUnary(false));
  } else {
    expr = ParsePrimary(false);
  }
  expr = ParsePostfix(std::move(expr));
  return with_filter ? ParseFilterExpr(std::move(expr)) : std::move(expr);
}

ExprPtr Parser::ParsePrimary(bool with_namespace) {
  const Token& token = Current();
  switch (token.kind) {
    case TokenKind::kName: {
      Take();
      if (token.text == "true" || token.text == "True")
        return MakeConstant(token.line, Value::Bool(true));
      if (token.text == "false" || token.text == "False")
        return MakeConstant(token.line, Value::Bool(false));
      if (token.text == "none" || token.text == "None")
        return MakeConstant(token.line, Value::None());
      ExprPtr name = MakeExpr(ExprKind::kName, token.line);
      name->name = token.text;
      if (with_namespace && SkipOperator(".")) {
        name->kind = ExprKind::kNamespaceRef;
        name->attribute = TakeName();
      }
      return name;
    }
    case TokenKind::kString: {
      std::string text;
      while (Current().kind == TokenKind::kString) text += Take().text;
      return MakeConstant(token.line, Value::String(Text::Trusted(std::move(text))));
    }
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      Take();
      return MakeConstant(token.line, token.number);
    case TokenKind::kOperator:
      if (SkipOperator("(")) {
        ExprPtr inner = ParseTuple({.parenthesised = true});
        ExpectOperator(")");
        return inner;
      }
      if (token.text == "[") return ParseListLiteral();
      if (token.text == "{") return ParseDictLiteral();
      FailUnexpected();
    default:
      FailUnexpected();
  }
}

ExprPtr Parser::ParseTuple(const TupleRules& rules) {
  Nested nested(*this);
  const uint32_t line = Current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) ExpectOperator(",");
    const TokenKind kind = Current().kind;
    if (kind == TokenKind::kVariableEnd || kind == TokenKind::kBlockEnd || IsOperator(")") ||
        (!rules.end_name.empty() && IsName(rules.end_name)))
      break;
    items.push_back(rules.simplified         ? ParsePrimary(rules.with_namespace)
                    : rules.with_conditional ? ParseConditional()
                                             : ParseOr());
    if (!IsOperator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items.front());
    if (!rules.parenthesised)
      FailHere(fmt::format("Expected an expression, got '{}'", Describe(Current())));
  }
  ExprPtr tuple = MakeExpr(ExprKind::kTuple, line);
  for (ExprPtr& item : items) AddChild(*tuple, std::move(item));
  return tuple;
}

ExprPtr Parser::ParseListLiteral() {
  ExprPtr list = MakeExpr(ExprKind::kList, Take().line);
  while (!IsOperator("]")) {
    if (!list->children.empty()) ExpectOperator(",");
    if (IsOperator("]")) break;
    AddChild(*list, ParseExpression());
  }
  ExpectOperator("]");
  return list;
}

ExprPtr Parser::ParseDictLiteral() {
  ExprPtr dict = MakeExpr(ExprKind::kDict, Take().line);
  while (!IsOperator("}")) {
    if (!dict->children.empty()) ExpectOperator(",");
    if (IsOperator("}")) break;
    AddChild(*dict, ParseExpression());
    ExpectOperator(":");
    AddChild(*dict, ParseExpression());
  }
  ExpectOperator("}");
  return dict;
}

ExprPtr Parser::ParsePostfix(ExprPtr expr) {
  for (;;) {
    if (IsOperator(".") || IsOperator("[")) {
      expr = ParseSubscript(std::move(expr));
    } else if (IsOperator("(")) {
      expr = ParseCall(std::move(expr));
    } else {
      return expr;
    }
  }
}

ExprPtr Parser::ParseFilterExpr(ExprPtr expr) {
  for (;;) {
    if (IsOperator("|")) {
      expr = ParseFilters(std::move(expr), false);
    } else if (IsName("is")) {
      expr = ParseTest(std::move(expr));
    } else if (IsOperator("(")) {
      expr = ParseCall(std::move(expr));
    } else {
      return expr;
    }
  }
}

ExprPtr Parser::ParseSubscript(ExprPtr expr) {
  const uint32_t line = Current().line;
  if (SkipOperator(".")) {
    const Token& attribute = Take();
    if (attribute.kind == TokenKind::kName) {
      ExprPtr out = MakeExpr(ExprKind::kAttribute, line, std::move(expr));
      out->name = attribute.text;
      return out;
    }
    if (attribute.kind != TokenKind::kInteger) FailAt(attribute.line, "expected name or number");
    return MakeExpr(ExprKind::kItem, line, std::move(expr),
                    MakeConstant(attribute.line, attribute.number));
  }
  ExpectOperator("[");
  ExprPtr out = ParseSubscribed(std::move(expr));
  ExpectOperator("]");
  return out;
}

// What stands between the brackets: an index, several (a tuple), or one slice.
ExprPtr Parser::ParseSubscribed(ExprPtr value) {
  const uint32_t line = Current().line;
  if (IsOperator("]")) {  // value[] is value[()]
    return MakeExpr(ExprKind::kItem, line, std::move(value), MakeExpr(ExprKind::kTuple, line));
  }
  ExprPtr start;
  if (!IsOperator(":")) {
    start = ParseExpression();
    if (!IsOperator(":")) {
      if (!IsOperator(","))
        return MakeExpr(ExprKind::kItem, line, std::move(value), std::move(start));
      ExprPtr tuple = MakeExpr(ExprKind::kTuple, line, std::move(start));
      while (SkipOperator(",")) {
        if (IsOperator(":")) FailHere("slices of several dimensions are not supported");
        AddChild(*tuple, ParseExpression());
        if (IsOperator(":")) FailHere("slices of several dimensions are not supported");
      }
      return MakeExpr(ExprKind::kItem, line, std::move(value), std::move(tuple));
    }
  }
  ExpectOperator(":");
  ExprPtr stop;
  ExprPtr step;
  if (!IsOperator(":") && !IsOperator("]") && !IsOperator(",")) stop = ParseExpression();
  if (SkipOperator(":") && !IsOperator("]") && !IsOperator(",")) step = ParseExpression();
  return MakeExpr(ExprKind::kSlice, line, std::move(value), std::move(start), std::move(stop),
                  std::move(step));
}

void Parser::ParseArguments(Expr& expr) {
  CallArguments& arguments = expr.arguments;
  const uint32_t line = Current().line;
  const auto ensure = [&](bool ok) {
    if (!ok) FailAt(line, "invalid syntax for function call expression");
  };
  ExpectOperator("(");
  bool first = true;
  while (!IsOperator(")")) {
    if (!first) {
      ExpectOperator(",");
      if (IsOperator(")")) break;
    }
    first = false;
    if (SkipOperator("*")) {
      ensure(!arguments.star && !arguments.double_star);
      arguments.star = ParseExpression();
      Deepen(expr, arguments.star);
    } else if (SkipOperator("**")) {
      ensure(!arguments.double_star);
      arguments.double_star = ParseExpression();
      Deepen(expr, arguments.double_star);
    } else if (Current().kind == TokenKind::kName && Look().kind == TokenKind::kOperator &&
               Look().text == "=") {
      ensure(!arguments.double_star);
      std::string name = TakeName();
      Take();
      for (const auto& named : arguments.named)
        if (named.first == name) FailAt(line, "keyword argument repeated: " + name);
      arguments.named.emplace_back(std::move(name), ParseExpression());
      Deepen(expr, arguments.named.back().second);
    } else {
      ensure(!arguments.star && !arguments.double_star && arguments.named.empty());
      arguments.positional.push_back(ParseExpression());
      Deepen(expr, arguments.positional.back());
    }
  }
  ExpectOperator(")");
}

ExprPtr Parser::ParseCall(ExprPtr callee) {
  ExprPtr call = MakeExpr(ExprKind::kCall, Current().line, std::move(callee));
  ParseArguments(*call);
  return call;
}

ExprPtr Parser::ParseFilters(ExprPtr input, bool start_inline) {
  while (IsOperator("|") || start_inline) {
    if (!start_inline) Take();
    start_inline = false;
    ExprPtr filter = MakeExpr(ExprKind::kFilter, Current().line, std::move(input));
    filter->name = TakeName();
    while (SkipOperator(".")) filter->name += "." + TakeName();
    if (IsOperator("(")) ParseArguments(*filter);
    input = std::move(filter);
  }
  return input;
}

ExprPtr Parser::ParseTest(ExprPtr expr) {
  const uint32_t line = Take().line;  // is
  const bool negated = SkipName("not");
  ExprPtr test = MakeExpr(ExprKind::kTest, line, std::move(expr));
  test->name = TakeName();
  while (SkipOperator(".")) test->name += "." + TakeName();
  const TokenKind kind = Current().kind;
  if (IsOperator("(")) {
    ParseArguments(*test);
  } else if ((kind == TokenKind::kName || kind == TokenKind::kString ||
              kind == TokenKind::kInteger || kind == TokenKind::kFloat || IsOperator("[") ||
              IsOperator("{")) &&
             !IsName("else") && !IsName("or") && !IsName("and")) {
    if (IsName("is")) FailHere("You cannot chain multiple tests with is");
    test->arguments.positional.push_back(ParsePostfix(ParsePrimary(false)));
    Deepen(*test, test->arguments.positional.back());
  }
  if (!negated) return test;
  return MakeExpr(ExprKind::kNot, line, std::move(test));
}

}  // namespace

Block Parse(std::string_view source) {
  return Parser(source).ParseTemplate();
}

}  // namespace infe::chat::jinja
