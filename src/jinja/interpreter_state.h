// The class behind interpreter.h. Statements are in interpreter.cc, expressions and calls in
// expressions.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/stack_room.h"
#include "jinja/arguments.h"
#include "jinja/ast.h"
#include "jinja/context.h"
#include "jinja/format.h"
#include "jinja/loop.h"
#include "jinja/runtime.h"

namespace infe::jinja {

// Templates recurse on the C++ stack. One rendering may use a quarter of a thread's usual 8 MiB:
// some 5,000 nested expressions, ten times what any template needs. And on any thread so much stays
// free for what is called at the deepest place, where values 200 deep may be printed or compared.
inline constexpr size_t kStackBytesMax = size_t{2} << 20;
inline constexpr size_t kStackBytesFree = size_t{128} << 10;

enum class Flow { kNormal, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(const Program& program, const Json& context, const RenderOptions& options)
      : program_(program), runtime_(options), context_(runtime_, context) {}

  // The template's line that was at work last, 0 before the first.
  uint32_t line() const { return line_; }

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
  // To be called where the interpreter recurses.
  void CheckStack() const {
    if (__builtin_frame_address(0) < stack_end_) FailLimit("the template recurses too deeply");
  }
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
    runtime_.Charge(1 + slot_count / 8);
    Activation& activation = activations_.emplace_back();
    activation.held.Set(sizeof(Activation) + slot_count * sizeof(Value));
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
    runtime_.Charge(scope.size());
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

  static const char* StackEnd() {
    const size_t room = StackRoom();
    const size_t usable = room > kStackBytesFree ? room - kStackBytesFree : 0;
    return static_cast<const char*>(__builtin_frame_address(0)) - std::min(usable, kStackBytesMax);
  }

  const Program& program_;
  Runtime runtime_;
  Context context_;
  std::deque<Activation> activations_;  // addresses are stable
  TextBuilder* out_ = nullptr;
  Text captured_;  // what the filter of a filter or set block works on
  // Where the stack must not grow to: it grows downwards.
  const char* const stack_end_ = StackEnd();
  uint32_t line_ = 0;
  int call_depth_ = 0;
};

}  // namespace infe::jinja
