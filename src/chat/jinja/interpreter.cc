#include "chat/jinja/interpreter.h"

#include <deque>

#include <fmt/format.h>

#include "chat/jinja/arguments.h"
#include "chat/jinja/context.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/format.h"
#include "chat/jinja/functions.h"
#include "chat/jinja/loop.h"
#include "chat/jinja/methods.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/tests.h"

namespace infe::chat::jinja {
namespace {

// C++ calls inside each other; some 500 bytes of stack each.
constexpr int kStackDepthMax = 3000;

enum class Flow { kNormal, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(const Program& program, const Json& context, const RenderOptions& options)
      : program_(program), runtime_(options), context_(runtime_, context) {}

  RenderedText Run() {
    TextBuilder out;
    out_ = &out;
    Activation& root = NewActivation(program_.slot_count, nullptr);
    EnterScope(program_.scope, root);
    Execute(program_.body, root);
    RenderedText rendered;
    std::vector<std::pair<size_t, size_t>> ranges;
    rendered.text = out.TakeBytes(&ranges);
    for (const auto& [begin, end] : ranges) rendered.trusted.push_back({begin, end});
    return rendered;
  }

 private:
  // Guards the C++ stack for as long as it lives.
  class Deeper {
   public:
    explicit Deeper(Interpreter& interpreter) : depth_(interpreter.stack_depth_) {
      if (++depth_ > kStackDepthMax) FailLimit("the template recurses too deeply");
    }
    ~Deeper() { --depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    int& depth_;
  };
  // Counts calls of macros and recursive loops.
  class Call {
   public:
    explicit Call(Interpreter& interpreter) : depth_(interpreter.call_depth_) {
      if (++depth_ > interpreter.runtime_.options().recursion_max)
        FailLimit("maximum recursion depth of the template exceeded");
    }
    ~Call() { --depth_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    int& depth_;
  };
  // Sends output to a buffer of its own for as long as it lives.
  class Capture {
   public:
    explicit Capture(Interpreter& interpreter)
        : interpreter_(interpreter), outer_(interpreter.out_) {
      interpreter.out_ = &buffer_;
    }
    ~Capture() { interpreter_.out_ = outer_; }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    Text Take() { return buffer_.Take(); }

   private:
    Interpreter& interpreter_;
    TextBuilder* outer_;
    TextBuilder buffer_;
  };

  // -- variables

  Activation& NewActivation(uint32_t slot_count, Activation* parent) {
    Activation& activation = activations_.emplace_back();
    activation.slots.resize(slot_count);
    activation.parent = parent;
    return activation;
  }
  // Gives the newest activation back, unless something may still look at it.
  void Leave(const Activation& activation) {
    if (!activation.is_captured && &activations_.back() == &activation) activations_.pop_back();
  }
  static void MarkCaptured(Activation& activation) {
    for (Activation* at = &activation; at != nullptr && !at->is_captured; at = at->parent)
      at->is_captured = true;
  }
  static Value& Slot(Activation& activation, VariableRef ref) {
    Activation* at = &activation;
    for (uint32_t i = 0; i < ref.hops; ++i) at = at->parent;
    return at->slots[ref.slot];
  }
  void EnterScope(const Scope& scope, Activation& activation) {
    for (const ScopeLoad& load : scope) {
      switch (load.action) {
        case ScopeLoad::Action::kParameter:
          break;
        case ScopeLoad::Action::kResolve:
          activation.slots[load.slot] = context_.Resolve(load.name);
          break;
        case ScopeLoad::Action::kAlias:
          activation.slots[load.slot] = Slot(activation, load.source);
          break;
        case ScopeLoad::Action::kUndefined:
          activation.slots[load.slot] = Value();
          break;
      }
    }
  }
  void Assign(const Expr& target, Value value, Activation& activation);

  // -- statements
  Flow Execute(const Block& block, Activation& activation);
  Flow Execute(const Stmt& stmt, Activation& activation);
  Flow ExecuteIf(const Stmt& stmt, Activation& activation);
  Flow ExecuteFor(const ForNode& loop, Activation& activation);
  Flow ExecuteSetBlock(const Stmt& stmt, Activation& activation);
  Flow ExecuteWith(const Stmt& stmt, Activation& activation);
  Flow RunLoop(const ForNode& loop, const Value& iterable, Activation& activation,
               LoopObject& state);
  Value RunRecursive(const ForNode& loop, const Value& iterable, Activation& outer, int64_t depth0);
  std::function<bool(Value&)> Items(const Value& iterable);
  std::function<bool(Value&)> FilteredItems(const ForNode& loop, const Value& iterable,
                                            Activation& activation);
  Value MakeMacro(const MacroNode& macro, Activation& activation);
  void Print(const Value& value) {
    if (value.is_string()) {
      Write(value.text());
    } else {
      Write(Str(runtime_, value));
    }
  }
  void Write(const Text& text) {
    if (out_->size() + text.size() > runtime_.options().output_bytes_max)
      FailLimit("the rendered text grows too long");
    runtime_.ChargeBytes(text.size());
    out_->Append(text);
  }

  // -- expressions
  Value Evaluate(const Expr& expr, Activation& activation);
  Value EvaluateCompare(const Expr& expr, Activation& activation);
  Value EvaluateConcat(const Expr& expr, Activation& activation);
  Value EvaluateDict(const Expr& expr, Activation& activation);
  Value EvaluateSlice(const Expr& expr, Activation& activation);
  Value EvaluateFilter(const Expr& expr, Activation& activation);
  Value EvaluateTest(const Expr& expr, Activation& activation);
  Value EvaluateConditional(const Expr& expr, Activation& activation);
  Value EvaluateCall(const Expr& expr, Activation& activation, const Value* caller);
  Values EvaluateItems(const std::vector<ExprPtr>& exprs, Activation& activation);
  CallValues EvaluateArguments(const CallArguments& arguments, Activation& activation);
  Value CallValue(const Value& callee, CallValues values);
  Value CallMacro(const MacroObject& macro, CallValues values);

  const Program& program_;
  Runtime runtime_;
  Context context_;
  std::deque<Activation> activations_;  // addresses are stable
  TextBuilder* out_ = nullptr;
  Text captured_;  // what the filter of a filter or set block works on
  int stack_depth_ = 0;
  int call_depth_ = 0;
};

void Interpreter::Assign(const Expr& target, Value value, Activation& activation) {
  switch (target.kind) {
    case ExprKind::kName:
      Slot(activation, target.variable) = std::move(value);
      return;
    case ExprKind::kNamespaceRef: {
      const Value& space = Slot(activation, target.variable);
      if (!space.is(Kind::kNamespace)) Fail("cannot assign attribute on non-namespace object");
      space.object<NamespaceObject>()->attributes.Set(
          Value::String(Text::Trusted(target.attribute)), std::move(value));
      return;
    }
    default: {
      const Values parts = ToList(runtime_, value);
      if (parts.size() < target.children.size())
        Fail(fmt::format("not enough values to unpack (expected {}, got {})",
                         target.children.size(), parts.size()));
      if (parts.size() > target.children.size())
        Fail(fmt::format("too many values to unpack (expected {})", target.children.size()));
      for (size_t i = 0; i < parts.size(); ++i) Assign(*target.children[i], parts[i], activation);
    }
  }
}

Flow Interpreter::Execute(const Block& block, Activation& activation) {
  Deeper deeper(*this);
  for (const StmtPtr& stmt : block) {
    runtime_.Charge(1);
    const Flow flow = Execute(*stmt, activation);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Flow Interpreter::Execute(const Stmt& stmt, Activation& activation) {
  switch (stmt.kind) {
    case StmtKind::kText:
      Write(stmt.text);
      return Flow::kNormal;
    case StmtKind::kPrint:
      for (const ExprPtr& expr : stmt.expressions) Print(Evaluate(*expr, activation));
      return Flow::kNormal;
    case StmtKind::kIf:
      return ExecuteIf(stmt, activation);
    case StmtKind::kFor:
      return ExecuteFor(*stmt.loop, activation);
    case StmtKind::kSet:
      Assign(*stmt.target, Evaluate(*stmt.value, activation), activation);
      return Flow::kNormal;
    case StmtKind::kSetBlock:
    case StmtKind::kFilterBlock:
      return ExecuteSetBlock(stmt, activation);
    case StmtKind::kWith:
      return ExecuteWith(stmt, activation);
    case StmtKind::kMacro:
      Assign(*stmt.target, MakeMacro(*stmt.macro, activation), activation);
      return Flow::kNormal;
    case StmtKind::kCallBlock: {
      const Value caller = MakeMacro(*stmt.macro, activation);
      Print(EvaluateCall(*stmt.value, activation, &caller));
      return Flow::kNormal;
    }
    case StmtKind::kGeneration:
      Print(CallValue(MakeMacro(*stmt.macro, activation), {}));
      return Flow::kNormal;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

Flow Interpreter::ExecuteIf(const Stmt& stmt, Activation& activation) {
  for (const IfBranch& branch : stmt.branches)
    if (!branch.test || Truth(Evaluate(*branch.test, activation)))
      return Execute(branch.body, activation);
  return Flow::kNormal;
}

Flow Interpreter::ExecuteSetBlock(const Stmt& stmt, Activation& activation) {
  EnterScope(stmt.scope, activation);
  Text text;
  {
    Capture capture(*this);
    const Flow flow = Execute(stmt.body, activation);
    if (flow != Flow::kNormal) return flow;
    text = capture.Take();
  }
  Value value = Value::String(text);
  if (stmt.filter) {
    const Text outer = std::exchange(captured_, std::move(text));
    value = Evaluate(*stmt.filter, activation);
    captured_ = outer;
  }
  if (stmt.kind == StmtKind::kFilterBlock) {
    Print(value);
  } else {
    Assign(*stmt.target, std::move(value), activation);
  }
  return Flow::kNormal;
}

Flow Interpreter::ExecuteWith(const Stmt& stmt, Activation& activation) {
  EnterScope(stmt.scope, activation);
  for (size_t i = 0; i < stmt.targets.size(); ++i)
    Assign(*stmt.targets[i], Evaluate(*stmt.expressions[i], activation), activation);
  return Execute(stmt.body, activation);
}

Value Interpreter::MakeMacro(const MacroNode& macro, Activation& activation) {
  MarkCaptured(activation);
  auto* object = runtime_.heap().New<MacroObject>();
  object->macro = &macro;
  object->closure = &activation;
  return Value::Of(Kind::kMacro, object);
}

std::function<bool(Value&)> Interpreter::Items(const Value& iterable) {
  if (iterable.is(Kind::kIterator)) {
    auto* iterator = iterable.object<IteratorObject>();
    return [iterator](Value& item) { return iterator->Next(item); };
  }
  const ListObject* list = nullptr;
  if (iterable.is_sequence()) {
    list = iterable.object<ListObject>();
  } else {
    list = runtime_.heap().List(ToList(runtime_, iterable)).object<ListObject>();
  }
  return [list, next = size_t{0}](Value& item) mutable {
    if (next >= list->items.size()) return false;
    item = list->items[next++];
    return true;
  };
}

std::function<bool(Value&)> Interpreter::FilteredItems(const ForNode& loop, const Value& iterable,
                                                       Activation& activation) {
  MarkCaptured(activation);
  return [this, &loop, &activation, items = Items(iterable), entered = false](Value& item) mutable {
    if (!entered) EnterScope(loop.test_scope, activation);
    entered = true;
    while (items(item)) {
      runtime_.Charge(1);
      Assign(*loop.test_target, item, activation);
      if (!Truth(Evaluate(*loop.test, activation))) continue;
      // The filter gives the target back, so a list taken apart arrives as a tuple.
      if (loop.test_target->kind == ExprKind::kTuple)
        item = Evaluate(*loop.test_target, activation);
      return true;
    }
    return false;
  };
}

Flow Interpreter::RunLoop(const ForNode& loop, const Value& iterable, Activation& activation,
                          LoopObject& state) {
  if (loop.test) {
    state.pull = FilteredItems(loop, iterable, activation);
  } else {
    state.pull = Items(iterable);
    state.length_known = Length(iterable);
  }
  const Value loop_value = Value::Of(Kind::kLoop, &state);
  bool body_finished = false;
  for (Value item; state.Next(item);) {
    runtime_.Charge(1);
    Assign(*loop.target, std::move(item), activation);
    activation.slots[loop.loop_slot] = loop_value;
    EnterScope(loop.scope, activation);
    const Flow flow = Execute(loop.body, activation);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNormal) body_finished = true;
  }
  // As in jinja2: the else branch also runs when no iteration came to the end of the body.
  if (body_finished || loop.else_body.empty()) return Flow::kNormal;
  EnterScope(loop.else_scope, activation);
  return Execute(loop.else_body, activation);
}

Flow Interpreter::ExecuteFor(const ForNode& loop, Activation& activation) {
  const Value iterable = Evaluate(*loop.iterable, activation);
  if (loop.recursive) {
    Print(RunRecursive(loop, iterable, activation, 0));
    return Flow::kNormal;
  }
  return RunLoop(loop, iterable, activation, *runtime_.heap().New<LoopObject>());
}

Value Interpreter::RunRecursive(const ForNode& loop, const Value& iterable, Activation& outer,
                                int64_t depth0) {
  Deeper deeper(*this);
  Call call(*this);
  MarkCaptured(outer);
  Activation& activation = NewActivation(loop.slot_count, &outer);
  auto* state = runtime_.heap().New<LoopObject>();
  state->depth0 = depth0;
  state->recurse = [this, &loop, &outer, depth0](const Value& inner) {
    return RunRecursive(loop, inner, outer, depth0 + 1);
  };
  Capture capture(*this);
  RunLoop(loop, iterable, activation, *state);
  Leave(activation);
  return Value::String(capture.Take());
}

Value Interpreter::Evaluate(const Expr& expr, Activation& activation) {
  Deeper deeper(*this);
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
    values.positional.insert(values.positional.end(), more.begin(), more.end());
  }
  if (arguments.double_star) {
    const Value more = Evaluate(*arguments.double_star, activation);
    RequireDefined(more);
    if (!more.is(Kind::kDict)) Fail("argument after ** must be a mapping, not " + TypeName(more));
    for (const auto& [name, value] : more.object<DictObject>()->items) {
      if (!name.is_string()) Fail("keywords must be strings");
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
  Deeper deeper(*this);
  Call call(*this);
  const MacroNode& macro = *object.macro;
  Activation& activation = NewActivation(macro.slot_count, object.closure);
  const size_t count = macro.parameters.size();
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

}  // namespace

RenderedText Interpret(const Program& program, const Json& context, const RenderOptions& options) {
  return Interpreter(program, context, options).Run();
}

}  // namespace infe::chat::jinja
