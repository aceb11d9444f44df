// Expressions, with jinja2's precedence.
#include "jinja/operators.h"
#include "jinja/parser_state.h"

namespace infe::jinja {

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

namespace {
ExprPtr MakeArithmetic(ExprPtr expr, Arithmetic operation) {
  expr->arithmetic = static_cast<uint8_t>(operation);
  return expr;
}
}  // namespace

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

}  // namespace infe::jinja
