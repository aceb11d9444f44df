// The compiled form of a template: expressions and statements with every variable already resolved
// to a slot. Immutable once compiled; constants are shared between rendering threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace infe::jinja {

struct FilterEntry;  // filters.h
struct TestEntry;    // tests.h

// Where a variable lives: `hops` functions outward (templates, macros and recursive loops are
// functions), then the slot there.
struct VariableRef {
  uint32_t hops = 0;
  uint32_t slot = 0;
};

enum class ExprKind : uint8_t {
  kConstant,      // constant
  kName,          // name, variable
  kNamespaceRef,  // name.attribute as an assignment target: variable, attribute
  kTuple,         // children
  kList,          // children
  kDict,          // children: key, value, key, value
  kNegate,        // children[0]
  kPlus,
  kNot,
  kAnd,  // children[0..1]
  kOr,
  kArithmetic,   // arithmetic, children[0..1]
  kConcat,       // children
  kCompare,      // children[0], then one child an operator in `comparisons`
  kConditional,  // children: test, then, else (may be null)
  kAttribute,    // children[0], name
  kItem,         // children[0..1]
  kSlice,        // children: value, start, stop, step (the last three may be null)
  kCall,         // children[0] is the callee; arguments
  kFilter,       // children[0] is the input (null: the captured body); name, filter, arguments
  kTest,         // children[0]; name, test, arguments
};

enum class Comparison : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;         // *expression
  ExprPtr double_star;  // **expression
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  uint32_t line = 0;
  uint32_t depth = 1;      // height of this tree
  uint8_t arithmetic = 0;  // jinja::Arithmetic
  Value constant;
  std::string name;
  std::string attribute;
  VariableRef variable;
  std::vector<ExprPtr> children;
  std::vector<Comparison> comparisons;
  CallArguments arguments;
  const FilterEntry* filter = nullptr;
  const TestEntry* test = nullptr;
};

// What a scope does to its variables when it is entered.
struct ScopeLoad {
  enum class Action : uint8_t { kParameter, kResolve, kAlias, kUndefined };
  Action action = Action::kUndefined;
  uint32_t slot = 0;   // in the function that runs
  VariableRef source;  // of kAlias
  std::string name;    // of kResolve: looked up in the context, then the globals
};
using Scope = std::vector<ScopeLoad>;

enum class StmtKind : uint8_t {
  kText,   // text
  kPrint,  // expressions
  kIf,     // branches
  kFor,
  kSet,       // target, value
  kSetBlock,  // target, body, filter
  kMacro,
  kCallBlock,    // value: the call; the body is an unnamed macro
  kGeneration,   // body, run as an unnamed macro
  kFilterBlock,  // filter, body
  kWith,         // targets, expressions, body
  kBreak,
  kContinue,
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Block = std::vector<StmtPtr>;

// A macro, or the body of a call block.
struct MacroNode {
  std::string name;  // empty for call blocks
  std::vector<std::string> parameters;
  std::vector<uint32_t> parameter_slots;
  std::vector<ExprPtr> defaults;  // of the last parameters
  bool takes_caller = false, takes_kwargs = false, takes_varargs = false;
  uint32_t caller_slot = 0, kwargs_slot = 0, varargs_slot = 0;
  uint32_t slot_count = 0;  // of its function
  Scope scope;
  Block body;
};

struct ForNode {
  ExprPtr target, iterable, test;
  ExprPtr test_target;  // the target as the test sees it
  bool recursive = false;
  uint32_t slot_count = 0;  // of its function, when recursive
  uint32_t loop_slot = 0;
  Scope scope, test_scope, else_scope;
  Block body, else_body;
};

struct IfBranch {
  ExprPtr test;  // null: else
  Block body;
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  uint32_t line = 0;
  Text text;
  std::vector<ExprPtr> expressions;
  std::vector<ExprPtr> targets;
  ExprPtr target, value, filter;
  std::vector<IfBranch> branches;
  Block body;
  Scope scope;
  std::unique_ptr<ForNode> loop;
  std::unique_ptr<MacroNode> macro;
};

struct Program {
  Block body;
  Scope scope;
  uint32_t slot_count = 0;
};

// One running function: its variables, and the function around it.
struct Activation {
  Values slots;
  Activation* parent = nullptr;
  // A macro or loop made here may outlive the call and look back at these variables.
  bool is_captured = false;
  HeldBytes held;
};

struct MacroObject : Object {
  const MacroNode* macro = nullptr;
  Activation* closure = nullptr;  // owned by the rendering
};

}  // namespace infe::jinja
