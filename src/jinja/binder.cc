#include "jinja/binder.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/lexer.h"
#include "jinja/tests.h"

namespace infe::jinja {
namespace {

// One function: the template, a macro, a call block, a recursive loop.
struct Function {
  Function* parent = nullptr;
  uint32_t depth = 0;
  uint32_t slot_count = 0;
};

struct Location {
  const Function* function = nullptr;
  uint32_t slot = 0;
  bool operator<(const Location& other) const {
    return std::pair(function, slot) < std::pair(other.function, other.slot);
  }
};

// The names of one scope. What happens to each when the scope is entered depends on how it is first
// used, so all uses are noted (Load, Store, Declare) before any is resolved (Find).
class Symbols {
 public:
  Symbols(Function* function, const Symbols* parent) : function_(function), parent_(parent) {}

  std::optional<Location> Find(const std::string& name) const {
    if (const auto found = refs_.find(name); found != refs_.end()) return found->second;
    return parent_ != nullptr ? parent_->Find(name) : std::nullopt;
  }
  void Load(const std::string& name) {
    if (!Find(name)) Define(name, {ScopeLoad::Action::kResolve, {}, name});
  }
  void Store(const std::string& name) {
    stores_.insert(name);
    if (refs_.contains(name)) return;
    if (const std::optional<Location> outer = Outer(name)) {
      Define(name, {ScopeLoad::Action::kAlias, *outer, {}});
    } else {
      Define(name, {ScopeLoad::Action::kUndefined, {}, {}});
    }
  }
  uint32_t Declare(const std::string& name) {
    stores_.insert(name);
    return Define(name, {ScopeLoad::Action::kParameter, {}, {}}).slot;
  }
  // Takes over what the branches of an if noted in their copies of this scope.
  void MergeBranches(const std::vector<Symbols>& branches) {
    std::set<std::string> stored;
    for (const Symbols& branch : branches)
      for (const std::string& name : branch.stores_)
        if (!stores_.contains(name)) stored.insert(name);
    for (const Symbols& branch : branches) {
      for (const auto& [name, location] : branch.refs_) refs_[name] = location;
      for (const auto& [location, load] : branch.loads_) loads_[location] = load;
      stores_.insert(branch.stores_.begin(), branch.stores_.end());
    }
    for (const std::string& name : stored) {
      const Location target = *Find(name);
      if (const std::optional<Location> outer = Outer(name)) {
        loads_[target] = {ScopeLoad::Action::kAlias, *outer, {}};
      } else {
        loads_[target] = {ScopeLoad::Action::kResolve, {}, name};
      }
    }
  }

  Scope Finish() const {
    Scope scope;
    for (const auto& [target, load] : loads_) {
      ScopeLoad out;
      out.action = load.action;
      out.slot = target.slot;
      out.name = load.name;
      if (load.action == ScopeLoad::Action::kAlias) out.source = RefTo(load.source);
      scope.push_back(std::move(out));
    }
    return scope;
  }
  VariableRef RefTo(const Location& location) const {
    return {function_->depth - location.function->depth, location.slot};
  }
  Function* function() const { return function_; }

 private:
  struct NameLoad {
    ScopeLoad::Action action = ScopeLoad::Action::kUndefined;
    Location source;
    std::string name;
  };
  std::optional<Location> Outer(const std::string& name) const {
    return parent_ != nullptr ? parent_->Find(name) : std::nullopt;
  }
  // A name keeps one slot in a scope, also when branches of an if meet it apart.
  Location Define(const std::string& name, NameLoad load) {
    auto [slot, fresh] = slots_->try_emplace(name, function_->slot_count);
    if (fresh) ++function_->slot_count;
    const Location location{function_, slot->second};
    refs_[name] = location;
    loads_[location] = std::move(load);
    return location;
  }

  Function* function_;
  const Symbols* parent_;
  std::map<std::string, Location> refs_;
  std::map<Location, NameLoad> loads_;
  std::set<std::string> stores_;
  // Shared by the copies of this scope that the branches of an if get.
  std::shared_ptr<std::map<std::string, uint32_t>> slots_ =
      std::make_shared<std::map<std::string, uint32_t>>();
};

// -- Noting the uses of one scope. Bodies that have their own scope are not entered.

void NoteExpr(Symbols& symbols, const Expr* expr);

void NoteArguments(Symbols& symbols, const CallArguments& arguments) {
  for (const ExprPtr& arg : arguments.positional) NoteExpr(symbols, arg.get());
  for (const auto& [name, arg] : arguments.named) NoteExpr(symbols, arg.get());
  NoteExpr(symbols, arguments.star.get());
  NoteExpr(symbols, arguments.double_star.get());
}

void NoteExpr(Symbols& symbols, const Expr* expr) {
  if (expr == nullptr) return;
  if (expr->kind == ExprKind::kName || expr->kind == ExprKind::kNamespaceRef)
    symbols.Load(expr->name);
  for (const ExprPtr& child : expr->children) NoteExpr(symbols, child.get());
  NoteArguments(symbols, expr->arguments);
}

enum class TargetUse { kStore, kParameter };
void NoteTarget(Symbols& symbols, const Expr& target, TargetUse use) {
  switch (target.kind) {
    case ExprKind::kName:
      if (use == TargetUse::kParameter) {
        symbols.Declare(target.name);
      } else {
        symbols.Store(target.name);
      }
      return;
    case ExprKind::kNamespaceRef:
      return symbols.Load(target.name);
    default:
      for (const ExprPtr& child : target.children) NoteTarget(symbols, *child, use);
  }
}

void NoteBlock(Symbols& symbols, const Block& block);

void NoteIf(Symbols& symbols, const Stmt& stmt) {
  // jinja2 sees three branches: the body, all elifs together (each an if of its own), the else.
  NoteExpr(symbols, stmt.branches.front().test.get());
  std::vector<Symbols> branches(3, symbols);
  NoteBlock(branches[0], stmt.branches.front().body);
  for (size_t i = 1; i < stmt.branches.size(); ++i) {
    const IfBranch& branch = stmt.branches[i];
    if (!branch.test) {
      NoteBlock(branches[2], branch.body);
      continue;
    }
    Symbols& elifs = branches[1];
    NoteExpr(elifs, branch.test.get());
    std::vector<Symbols> inner(1, elifs);
    NoteBlock(inner[0], branch.body);
    elifs.MergeBranches(inner);
  }
  symbols.MergeBranches(branches);
}

void NoteStmt(Symbols& symbols, const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::kText:
    case StmtKind::kBreak:
    case StmtKind::kContinue:
    case StmtKind::kGeneration:
      return;
    case StmtKind::kPrint:
    case StmtKind::kWith:  // the values; targets and body are inside
      for (const ExprPtr& expr : stmt.expressions) NoteExpr(symbols, expr.get());
      return;
    case StmtKind::kIf:
      return NoteIf(symbols, stmt);
    case StmtKind::kFor:
      return NoteExpr(symbols, stmt.loop->iterable.get());
    case StmtKind::kSet:
      NoteExpr(symbols, stmt.value.get());
      return NoteTarget(symbols, *stmt.target, TargetUse::kStore);
    case StmtKind::kSetBlock:
      return NoteTarget(symbols, *stmt.target, TargetUse::kStore);
    case StmtKind::kMacro:
      return symbols.Store(stmt.macro->name);
    case StmtKind::kCallBlock:
      return NoteExpr(symbols, stmt.value.get());
    case StmtKind::kFilterBlock:
      return NoteExpr(symbols, stmt.filter.get());
  }
}

void NoteBlock(Symbols& symbols, const Block& block) {
  for (const StmtPtr& stmt : block) NoteStmt(symbols, *stmt);
}

// -- Which of caller, kwargs and varargs a macro's body uses without assigning them first.

class UndeclaredFinder {
 public:
  explicit UndeclaredFinder(std::set<std::string> names) : names_(std::move(names)) {}
  std::set<std::string> Run(const Block& block) {
    Visit(block);
    return found_;
  }

 private:
  void Visit(const Expr* expr) {
    if (expr == nullptr) return;
    if (expr->kind == ExprKind::kName && names_.contains(expr->name)) found_.insert(expr->name);
    for (const ExprPtr& child : expr->children) Visit(child.get());
    for (const ExprPtr& arg : expr->arguments.positional) Visit(arg.get());
    for (const auto& [name, arg] : expr->arguments.named) Visit(arg.get());
    Visit(expr->arguments.star.get());
    Visit(expr->arguments.double_star.get());
  }
  void VisitTarget(const Expr* target) {
    if (target == nullptr) return;
    if (target->kind == ExprKind::kName) names_.erase(target->name);
    for (const ExprPtr& child : target->children) VisitTarget(child.get());
  }
  void VisitMacro(const MacroNode& macro) {
    for (const std::string& name : macro.parameters) names_.erase(name);
    for (const ExprPtr& value : macro.defaults) Visit(value.get());
    Visit(macro.body);
  }
  void Visit(const Block& block) {
    for (const StmtPtr& stmt : block) Visit(*stmt);
  }
  void Visit(const Stmt& stmt) {
    VisitTarget(stmt.target.get());
    for (const ExprPtr& target : stmt.targets) VisitTarget(target.get());
    for (const ExprPtr& expr : stmt.expressions) Visit(expr.get());
    Visit(stmt.value.get());
    for (const IfBranch& branch : stmt.branches) {
      Visit(branch.test.get());
      Visit(branch.body);
    }
    if (stmt.loop) {
      VisitTarget(stmt.loop->target.get());
      Visit(stmt.loop->iterable.get());
      Visit(stmt.loop->body);
      Visit(stmt.loop->else_body);
      Visit(stmt.loop->test.get());
    }
    if (stmt.macro) VisitMacro(*stmt.macro);
    Visit(stmt.filter.get());
    Visit(stmt.body);
  }

  std::set<std::string> names_;
  std::set<std::string> found_;
};

// -- Resolving.

// Where a statement stands.
struct Place {
  bool soft = false;     // inside an if: unknown filters and tests fail only when reached
  bool in_loop = false;  // break and continue have a loop of the same function around them
};

class Binder {
 public:
  Program Run(Block body) {
    Program program;
    program.body = std::move(body);
    Function function;
    Symbols symbols(&function, nullptr);
    NoteBlock(symbols, program.body);
    BindBlock(symbols, program.body, {});
    program.scope = symbols.Finish();
    program.slot_count = function.slot_count;
    return program;
  }

 private:
  static void BindName(const Symbols& symbols, Expr& expr) {
    // Names that jinja2's own analysis misses (filter arguments of a set block) come from nowhere.
    const std::optional<Location> location = symbols.Find(expr.name);
    if (!location)
      FailAt(expr.line, fmt::format("the name '{}' cannot be resolved here", expr.name));
    expr.variable = symbols.RefTo(*location);
  }

  void BindExpr(const Symbols& symbols, Expr* expr, bool soft) {
    if (expr == nullptr) return;
    switch (expr->kind) {
      case ExprKind::kName:
      case ExprKind::kNamespaceRef:
        BindName(symbols, *expr);
        break;
      case ExprKind::kConditional:
        soft = true;
        break;
      case ExprKind::kFilter:
        expr->filter = FindFilter(expr->name);
        if (expr->filter == nullptr && !soft)
          FailAt(expr->line, fmt::format("No filter named '{}'.", expr->name));
        break;
      case ExprKind::kTest:
        expr->test = FindTest(expr->name);
        if (expr->test == nullptr && !soft)
          FailAt(expr->line, fmt::format("No test named '{}'.", expr->name));
        break;
      default:
        break;
    }
    for (const ExprPtr& child : expr->children) BindExpr(symbols, child.get(), soft);
    for (const ExprPtr& arg : expr->arguments.positional) BindExpr(symbols, arg.get(), soft);
    for (const auto& [name, arg] : expr->arguments.named) BindExpr(symbols, arg.get(), soft);
    BindExpr(symbols, expr->arguments.star.get(), soft);
    BindExpr(symbols, expr->arguments.double_star.get(), soft);
  }

  void BindBlock(Symbols& symbols, Block& block, Place place) {
    for (const StmtPtr& stmt : block) BindStmt(symbols, *stmt, place);
  }

  void BindStmt(Symbols& symbols, Stmt& stmt, Place place) {
    switch (stmt.kind) {
      case StmtKind::kText:
        return;
      case StmtKind::kPrint:
        for (const ExprPtr& expr : stmt.expressions) BindExpr(symbols, expr.get(), place.soft);
        return;
      case StmtKind::kIf:
        for (IfBranch& branch : stmt.branches) {
          BindExpr(symbols, branch.test.get(), true);
          BindBlock(symbols, branch.body, {.soft = true, .in_loop = place.in_loop});
        }
        return;
      case StmtKind::kFor:
        return BindFor(symbols, stmt, place);
      case StmtKind::kSet:
        BindExpr(symbols, stmt.target.get(), place.soft);
        return BindExpr(symbols, stmt.value.get(), place.soft);
      case StmtKind::kSetBlock:
      case StmtKind::kFilterBlock: {
        Symbols inner(symbols.function(), &symbols);
        NoteBlock(inner, stmt.body);
        NoteExpr(inner, stmt.filter.get());
        BindBlock(inner, stmt.body, {.in_loop = place.in_loop});
        BindExpr(inner, stmt.filter.get(), false);
        BindExpr(symbols, stmt.target.get(), place.soft);
        stmt.scope = inner.Finish();
        return;
      }
      case StmtKind::kWith: {
        Symbols inner(symbols.function(), &symbols);
        for (const ExprPtr& target : stmt.targets)
          NoteTarget(inner, *target, TargetUse::kParameter);
        NoteBlock(inner, stmt.body);
        for (const ExprPtr& target : stmt.targets) BindExpr(inner, target.get(), false);
        for (const ExprPtr& expr : stmt.expressions) BindExpr(symbols, expr.get(), place.soft);
        BindBlock(inner, stmt.body, {.in_loop = place.in_loop});
        stmt.scope = inner.Finish();
        return;
      }
      case StmtKind::kMacro:
        BindMacro(symbols, *stmt.macro, stmt.line);
        return BindExpr(symbols, stmt.target.get(), false);
      case StmtKind::kCallBlock:
        BindMacro(symbols, *stmt.macro, stmt.line);
        return BindExpr(symbols, stmt.value.get(), place.soft);
      case StmtKind::kGeneration:
        return BindMacro(symbols, *stmt.macro, stmt.line);
      case StmtKind::kBreak:
      case StmtKind::kContinue:
        if (!place.in_loop) FailAt(stmt.line, "break or continue outside of a loop");
        return;
    }
  }

  static bool Assigns(const Expr* target, const std::string& name) {
    if (target == nullptr) return false;
    if (target->kind == ExprKind::kName) return target->name == name;
    for (const ExprPtr& child : target->children)
      if (Assigns(child.get(), name)) return true;
    return false;
  }
  static bool AssignsIn(const Block& block, const std::string& name) {
    for (const StmtPtr& stmt : block) {
      if (stmt->kind != StmtKind::kMacro && Assigns(stmt->target.get(), name)) return true;
      if (AssignsIn(stmt->body, name)) return true;
      for (const IfBranch& branch : stmt->branches)
        if (AssignsIn(branch.body, name)) return true;
      if (stmt->loop &&
          (Assigns(stmt->loop->target.get(), name) || AssignsIn(stmt->loop->body, name) ||
           AssignsIn(stmt->loop->else_body, name)))
        return true;
      if (stmt->macro && AssignsIn(stmt->macro->body, name)) return true;
    }
    return false;
  }

  void BindFor(Symbols& symbols, Stmt& stmt, Place place) {
    ForNode& loop = *stmt.loop;
    if (Assigns(loop.target.get(), "loop") || AssignsIn(loop.body, "loop") ||
        AssignsIn(loop.else_body, "loop"))
      FailAt(stmt.line, "Can't assign to special loop variable in for-loop target");
    BindExpr(symbols, loop.iterable.get(), place.soft);

    // A recursive loop is a function: each call of loop() has its own variables.
    Function own{symbols.function(), symbols.function()->depth + 1, 0};
    Function* function = loop.recursive ? &own : symbols.function();

    Symbols body(function, &symbols);
    loop.loop_slot = body.Declare("loop");
    NoteTarget(body, *loop.target, TargetUse::kParameter);
    NoteBlock(body, loop.body);
    Symbols test(function, &symbols);
    if (loop.test) {
      NoteTarget(test, *loop.test_target, TargetUse::kParameter);
      NoteExpr(test, loop.test.get());
    }
    Symbols otherwise(function, &symbols);
    NoteBlock(otherwise, loop.else_body);

    BindExpr(body, loop.target.get(), false);
    BindBlock(body, loop.body, {.in_loop = true});
    if (loop.test) {
      BindExpr(test, loop.test_target.get(), false);
      BindExpr(test, loop.test.get(), false);
    }
    // break in the else branch would leave the loop around this one, if it is in the same function.
    BindBlock(otherwise, loop.else_body, {.in_loop = place.in_loop && !loop.recursive});
    loop.scope = body.Finish();
    loop.test_scope = test.Finish();
    loop.else_scope = otherwise.Finish();
    loop.slot_count = own.slot_count;
  }

  void BindMacro(Symbols& symbols, MacroNode& macro, uint32_t line) {
    Function function{symbols.function(), symbols.function()->depth + 1, 0};
    Symbols inner(&function, &symbols);
    std::set<std::string> special =
        UndeclaredFinder({"caller", "kwargs", "varargs"}).Run(macro.body);
    for (size_t i = 0; i < macro.parameters.size(); ++i) {
      const std::string& name = macro.parameters[i];
      if (name == "caller" && special.contains(name) &&
          i + macro.defaults.size() < macro.parameters.size())
        FailAt(line,
               "When defining macros or call blocks the special \"caller\" argument must be "
               "omitted or be given a default.");
      for (size_t j = 0; j < i; ++j)
        if (macro.parameters[j] == name) FailAt(line, "duplicate macro argument: " + name);
      special.erase(name);
      macro.parameter_slots.push_back(inner.Declare(name));
    }
    macro.takes_caller = special.contains("caller");
    macro.takes_kwargs = special.contains("kwargs");
    macro.takes_varargs = special.contains("varargs");
    if (macro.takes_caller) macro.caller_slot = inner.Declare("caller");
    if (macro.takes_kwargs) macro.kwargs_slot = inner.Declare("kwargs");
    if (macro.takes_varargs) macro.varargs_slot = inner.Declare("varargs");
    for (const ExprPtr& value : macro.defaults) NoteExpr(inner, value.get());
    NoteBlock(inner, macro.body);
    for (const ExprPtr& value : macro.defaults) BindExpr(inner, value.get(), false);
    BindBlock(inner, macro.body, {});
    macro.scope = inner.Finish();
    macro.slot_count = function.slot_count;
  }
};

}  // namespace

Program Bind(Block body) {
  return Binder().Run(std::move(body));
}

}  // namespace infe::jinja
