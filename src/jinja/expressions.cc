// Evaluation of expressions and calls.
#include <algorithm>

#include <fmt/format.h>

#include "jinja/filters.h"
#include "jinja/functions.h"
#include "jinja/interpreter_state.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/tests.h"

namespace infe::jinja {

Value Interpreter::Evaluate(const Expr& expr, Activation& activation) {
  CheckStack();
  line_ = expr.line;
  runtime_.Charge(1);
  const auto child = [&](size_t i) { return Evaluate(*expr.children[i], activation); };
  switch (expr.kind) {
    case ExprKind::kConstant:
      return expr.constant;
    case ExprKind::kName:
    case ExprKind::kNamespaceRef: {
      const Value& value = Slot(activation, expr.variable);
      if (!value.is(Kind::kMissing)) return value;
      return runtime_.heap().Undefined(fmt::format("'{}' is undefined", expr.name));
    }
    case ExprKind::kTuple:
      return runtime_.heap().Tuple(EvaluateItems(expr.children, activation));
    case ExprKind::kList:
      return runtime_.heap().List(EvaluateItems(expr.children, activation));
    case ExprKind::kDict:
      return EvaluateDict(expr, activation);
    case ExprKind::kNegate:
      return Negate(child(0));
    case ExprKind::kPlus:
      return Plus(child(0));
    case ExprKind::kNot:
      return Value::Bool(!Truth(child(0)));
    case ExprKind::kAnd: {
      Value left = child(0);
      return Truth(left) ? child(1) : left;
    }
    case ExprKind::kOr: {
      Value left = child(0);
      return Truth(left) ? left : child(1);
    }
    case ExprKind::kArithmetic: {
      const Value left = child(0);
      return Compute(runtime_, static_cast<Arithmetic>(expr.arithmetic), left, child(1));
    }
    case ExprKind::kConcat:
      return EvaluateConcat(expr, activation);
    case ExprKind::kCompare:
      return EvaluateCompare(expr, activation);
    case ExprKind::kConditional:
      return EvaluateConditional(expr, activation);
    case ExprKind::kAttribute:
      return GetAttribute(runtime_, child(0), expr.name);
    case ExprKind::kItem: {
      const Value value = child(0);
      return GetItem(runtime_, value, child(1));
    }
    case ExprKind::kSlice:
      return EvaluateSlice(expr, activation);
    case ExprKind::kCall:
      return EvaluateCall(expr, activation, nullptr);
    case ExprKind::kFilter:
      return EvaluateFilter(expr, activation);
    case ExprKind::kTest:
      return EvaluateTest(expr, activation);
  }
  return {};
}

Values Interpreter::EvaluateItems(const std::vector<ExprPtr>& exprs, Activation& activation) {
  Values out;
  out.reserve(exprs.size());
  for (const ExprPtr& expr : exprs) out.push_back(Evaluate(*expr, activation));
  return out;
}

Value Interpreter::EvaluateDict(const Expr& expr, Activation& activation) {
  auto* dict = runtime_.heap().New<DictObject>();
  for (size_t i = 0; i + 1 < expr.children.size(); i += 2) {
    Value key = Evaluate(*expr.children[i], activation);
    dict->Set(std::move(key), Evaluate(*expr.children[i + 1], activation));
  }
  return Value::Of(Kind::kDict, dict);
}

Value Interpreter::EvaluateConcat(const Expr& expr, Activation& activation) {
  TextBuilder builder;
  for (const ExprPtr& child : expr.children) {
    const Text text = Str(runtime_, Evaluate(*child, activation));
    runtime_.ChargeBytes(text.size());
    builder.Append(text);
  }
  return Value::String(builder.Take());
}

Value Interpreter::EvaluateCompare(const Expr& expr, Activation& activation) {
  Value left = Evaluate(*expr.children[0], activation);
  for (size_t i = 0; i < expr.comparisons.size(); ++i) {
    Value right = Evaluate(*expr.children[i + 1], activation);
    bool holds = false;
    switch (expr.comparisons[i]) {
      case Comparison::kEqual:
        holds = Equal(left, right);
        break;
      case Comparison::kNotEqual:
        holds = !Equal(left, right);
        break;
      case Comparison::kLess:
        holds = Compare(Order::kLess, left, right);
        break;
      case Comparison::kLessEqual:
        holds = Compare(Order::kLessEqual, left, right);
        break;
      case Comparison::kGreater:
        holds = Compare(Order::kGreater, left, right);
        break;
      case Comparison::kGreaterEqual:
        holds = Compare(Order::kGreaterEqual, left, right);
        break;
      case Comparison::kIn:
        holds = Contains(runtime_, right, left);
        break;
      case Comparison::kNotIn:
        holds = !Contains(runtime_, right, left);
        break;
    }
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Value Interpreter::EvaluateConditional(const Expr& expr, Activation& activation) {
  if (Truth(Evaluate(*expr.children[0], activation)))
    return Evaluate(*expr.children[1], activation);
  if (expr.children[2]) return Evaluate(*expr.children[2], activation);
  return runtime_.heap().Undefined(
      fmt::format("the inline if-expression on line {} evaluated to false and no else section was "
                  "defined.",
                  expr.line));
}

Value Interpreter::EvaluateSlice(const Expr& expr, Activation& activation) {
  const auto part = [&](size_t i) {
    return expr.children[i] ? Evaluate(*expr.children[i], activation) : Value::None();
  };
  const Value value = part(0);
  const Value start = part(1);
  const Value stop = part(2);
  return Slice(runtime_, value, start, stop, part(3));
}

Value Interpreter::EvaluateFilter(const Expr& expr, Activation& activation) {
  const Value input =
      expr.children[0] ? Evaluate(*expr.children[0], activation) : Value::String(captured_);
  const CallValues values = EvaluateArguments(expr.arguments, activation);
  if (expr.filter == nullptr) Fail(fmt::format("No filter named '{}' found.", expr.name));
  return expr.filter->function(runtime_, input, values);
}

Value Interpreter::EvaluateTest(const Expr& expr, Activation& activation) {
  const Value input = Evaluate(*expr.children[0], activation);
  const CallValues values = EvaluateArguments(expr.arguments, activation);
  if (expr.test == nullptr) Fail(fmt::format("No test named '{}' found.", expr.name));
  return Value::Bool(expr.test->function(runtime_, input, values));
}

CallValues Interpreter::EvaluateArguments(const CallArguments& arguments, Activation& activation) {
  CallValues values;
  values.positional = EvaluateItems(arguments.positional, activation);
  for (const auto& [name, expr] : arguments.named)
    values.named.emplace_back(name, Evaluate(*expr, activation));
  if (arguments.star) {
    const Values more = ToList(runtime_, Evaluate(*arguments.star, activation));
    runtime_.Charge(more.size() / 2);  // and again for what binds them
    values.positional.insert(values.positional.end(), more.begin(), more.end());
  }
  if (arguments.double_star) {
    const Value more = Evaluate(*arguments.double_star, activation);
    RequireDefined(more);
    if (!more.is(Kind::kDict)) Fail("argument after ** must be a mapping, not " + TypeName(more));
    for (const auto& [name, value] : more.object<DictObject>()->items) {
      if (!name.is_string()) Fail("keywords must be strings");
      runtime_.Charge(1 + values.named.size() / 8);
      for (const auto& present : values.named)
        if (present.first == name.view())
          Fail(fmt::format("got multiple values for keyword argument '{}'", name.view()));
      values.named.emplace_back(name.view(), value);
    }
  }
  return values;
}

Value Interpreter::EvaluateCall(const Expr& expr, Activation& activation, const Value* caller) {
  const Value callee = Evaluate(*expr.children[0], activation);
  CallValues values = EvaluateArguments(expr.arguments, activation);
  if (caller != nullptr) values.named.emplace_back("caller", *caller);
  return CallValue(callee, std::move(values));
}

Value Interpreter::CallValue(const Value& callee, CallValues values) {
  runtime_.Charge(1);
  switch (callee.kind()) {
    case Kind::kUndefined:
      FailUndefined(callee);
    case Kind::kMacro:
      return CallMacro(*callee.object<MacroObject>(), std::move(values));
    case Kind::kFunction:
      return CallBuiltin(runtime_, callee.object<FunctionObject>()->builtin, values);
    case Kind::kMethod: {
      const auto& method = *callee.object<MethodObject>();
      return method.entry->function(runtime_, method.self, values);
    }
    case Kind::kLoop: {
      BoundArguments args("loop", values, {"iterable"}, 1);
      const auto& loop = *callee.object<LoopObject>();
      if (!loop.recurse)
        Fail("The loop must have the 'recursive' marker to be called recursively.");
      return loop.recurse(args.get(0));
    }
    case Kind::kJoiner: {
      BoundArguments args("joiner", values, {}, 0);
      auto& joiner = *callee.object<JoinerObject>();
      if (!std::exchange(joiner.used, true)) return Value::String({});
      return joiner.separator;
    }
    default:
      Fail(fmt::format("'{}' object is not callable", TypeName(callee)));
  }
}

Value Interpreter::CallMacro(const MacroObject& object, CallValues values) {
  CheckStack();
  Call call(*this);
  const MacroNode& macro = *object.macro;
  Activation& activation = NewActivation(macro.slot_count, object.closure);
  const size_t count = macro.parameters.size();
  runtime_.Charge(count * (1 + values.named.size() / 8));
  for (size_t i = 0; i < count; ++i) {
    activation.slots[macro.parameter_slots[i]] =
        i < values.positional.size() ? values.positional[i] : values.TakeNamed(macro.parameters[i]);
  }
  if (macro.takes_caller) {
    Value caller = values.TakeNamed("caller");
    if (caller.is(Kind::kMissing) || caller.is_none())
      caller = runtime_.heap().Undefined("No caller defined");
    activation.slots[macro.caller_slot] = std::move(caller);
  }
  if (macro.takes_kwargs) {
    auto* kwargs = runtime_.heap().New<DictObject>();
    for (auto& [name, value] : values.named) kwargs->Set(Value::Plain(name), std::move(value));
    activation.slots[macro.kwargs_slot] = Value::Of(Kind::kDict, kwargs);
  } else if (!values.named.empty()) {
    Fail(fmt::format("macro '{}' takes no keyword argument '{}'", macro.name,
                     values.named.front().first));
  }
  const size_t consumed = std::min(count, values.positional.size());
  if (macro.takes_varargs) {
    activation.slots[macro.varargs_slot] = runtime_.heap().Tuple(
        Values(values.positional.begin() + static_cast<std::ptrdiff_t>(consumed),
               values.positional.end()));
  } else if (values.positional.size() > count) {
    Fail(fmt::format("macro '{}' takes not more than {} argument(s)", macro.name, count));
  }
  Capture capture(*this);
  EnterScope(macro.scope, activation);
  const size_t first_default = count - macro.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    Value& slot = activation.slots[macro.parameter_slots[i]];
    if (!slot.is(Kind::kMissing)) continue;
    slot = i >= first_default ? Evaluate(*macro.defaults[i - first_default], activation)
                              : runtime_.heap().Undefined(fmt::format(
                                    "parameter '{}' was not provided", macro.parameters[i]));
  }
  Execute(macro.body, activation);
  Leave(activation);
  return Value::String(capture.Take());
}

}  // namespace infe::jinja
