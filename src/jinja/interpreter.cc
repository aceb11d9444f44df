#include "jinja/interpreter.h"

#include <fmt/format.h>

#include "jinja/interpreter_state.h"
#include "jinja/operators.h"

namespace infe::jinja {

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
      runtime_.Charge(parts.size());
      for (size_t i = 0; i < parts.size(); ++i) Assign(*target.children[i], parts[i], activation);
    }
  }
}

Flow Interpreter::Execute(const Block& block, Activation& activation) {
  CheckStack();
  for (const StmtPtr& stmt : block) {
    line_ = stmt->line;
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
  CheckStack();
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

RenderedText Interpret(const Program& program, const Json& context, const RenderOptions& options) {
  Interpreter interpreter(program, context, options);
  try {
    return interpreter.Run();
  } catch (TemplateError& failure) {  // raise_exception's text is the template's own: no line
    if (failure.error.code == ErrorCode::kResourceExhausted && interpreter.line() > 0)
      failure.error.message += fmt::format(" (line {})", interpreter.line());
    throw;
  }
}

}  // namespace infe::jinja
