#include "grammar/cfg.h"

#include <algorithm>

#include <fmt/format.h>

#include "grammar/limits.h"

namespace infe::grammar {
namespace {

// Rules inside rules that are merged into one lexeme; deeper ones stay rules.
constexpr int kMergeDepthMax = 100;

}  // namespace

uint32_t Cfg::Rule(std::string_view name) {
  const auto [it, fresh] =
      by_name_.emplace(std::string(name), static_cast<uint32_t>(rules_.size()));
  if (fresh) rules_.push_back({.name = std::string(name)});
  return it->second;
}

Result<void> Cfg::Define(uint32_t rule, CfgExpr body, size_t line) {
  if (rules_[rule].defined)
    return InvalidArgument(fmt::format("the rule '{}' is defined twice", rules_[rule].name));
  // A group is a choice of sequences of repeats.
  if (body.height > 3 * kGrammarDepthMax)
    return ResourceExhausted(
        fmt::format("grammar, line {}: the rule '{}' has more than {} groups and repeats inside "
                    "each other (kGrammarDepthMax)",
                    line, rules_[rule].name, kGrammarDepthMax));
  rules_[rule].defined = true;
  rules_[rule].line = line;
  rules_[rule].body = std::move(body);
  return {};
}

bool Cfg::IsRegular(const CfgExpr& expr) {
  if (!builder_.fuel().Spend()) return false;
  if (expr.kind == CfgExpr::Kind::kRegex) return true;
  if (expr.kind == CfgExpr::Kind::kRule) return rules_[expr.rule].regular;
  return std::ranges::all_of(expr.children, [&](const CfgExpr& e) { return IsRegular(e); });
}

RegexId Cfg::ToRegex(const CfgExpr& expr) {
  RegexPool& p = pool();
  switch (expr.kind) {
    case CfgExpr::Kind::kRegex:
      return expr.regex;
    case CfgExpr::Kind::kRule:
      return rules_[expr.rule].regex;
    case CfgExpr::Kind::kSequence:
      return Concatenated(expr.children);
    case CfgExpr::Kind::kChoice: {
      std::vector<RegexId> parts;
      for (const CfgExpr& child : expr.children) parts.push_back(ToRegex(child));
      return p.Or(std::move(parts));
    }
    case CfgExpr::Kind::kRepeat:
      return p.Repeat(ToRegex(expr.children[0]), expr.min, expr.max);
  }
  return kNothing;
}

RegexId Cfg::Concatenated(std::span<const CfgExpr> run) {
  RegexId id = kEmptyText;
  for (size_t i = run.size(); i-- > 0 && !builder_.exhausted();)
    id = pool().Concat(ToRegex(run[i]), id);
  return id;
}

Result<void> Cfg::Check(const RuleInfo& rule) const {
  if (!builder_.exhausted()) return {};
  return builder_.Refusal(
      rule.line == 0 ? std::string("the grammar")
                     : fmt::format("grammar, line {}: the rule '{}'", rule.line, rule.name));
}

// Rules whose parts are all known to be regular, round by round; what reaches itself never is.
Result<void> Cfg::FindRegular() {
  for (int round = 0; round < kMergeDepthMax; ++round) {
    bool changed = false;
    for (RuleInfo& rule : rules_) {
      if (rule.regular || !IsRegular(rule.body)) continue;
      rule.regex = ToRegex(rule.body);
      INFE_TRY(Check(rule));
      rule.regular = true;
      changed = true;
    }
    if (!changed) break;
  }
  return {};
}

void Cfg::EmitRegex(RegexId regex, StateId from, StateId to) {
  if (pool().Nullable(regex)) {
    builder_.Free(from, to);
    regex = pool().And(regex, pool().Not(kEmptyText));
  }
  if (!pool().IsEmpty(regex))
    builder_.Lex(from, builder_.AddLexeme({.spelling = spelling_, .content = regex}), to);
}

void Cfg::Emit(const CfgExpr& expr, NodeId node, StateId from, StateId to) {
  if (builder_.exhausted()) return;
  if (IsRegular(expr)) return EmitRegex(ToRegex(expr), from, to);
  switch (expr.kind) {
    case CfgExpr::Kind::kRegex:
      return;
    case CfgExpr::Kind::kRule:
      builder_.Call(from, rules_[expr.rule].node, to);
      return;
    case CfgExpr::Kind::kSequence: {
      StateId at = from;
      for (size_t i = 0; i < expr.children.size();) {
        // A run of regular parts is one lexeme.
        size_t j = i;
        while (j < expr.children.size() && IsRegular(expr.children[j])) ++j;
        const bool regular = j > i;
        const size_t end = regular ? j : i + 1;
        const StateId next = end == expr.children.size() ? to : builder_.AddState(node);
        if (regular) {
          EmitRegex(Concatenated(std::span(expr.children).subspan(i, j - i)), at, next);
        } else {
          Emit(expr.children[i], node, at, next);
        }
        at = next;
        i = end;
      }
      return;
    }
    case CfgExpr::Kind::kChoice:
      for (const CfgExpr& child : expr.children) Emit(child, node, from, to);
      return;
    case CfgExpr::Kind::kRepeat: {
      if (expr.max == 0) {
        builder_.Free(from, to);
        return;
      }
      if (expr.min == 0 && expr.max == 1) {
        builder_.Free(from, to);
        Emit(expr.children[0], node, from, to);
        return;
      }
      if (expr.min <= 1 && expr.max == kUnbounded) {
        // A loop of its own, entered and left for nothing.
        const StateId before = builder_.AddState(node);
        const StateId behind = builder_.AddState(node);
        builder_.Free(from, before);
        Emit(expr.children[0], node, before, behind);
        builder_.Free(behind, before);
        builder_.Free(behind, to);
        if (expr.min == 0) builder_.Free(from, to);
        return;
      }
      const NodeId body = builder_.AddNode();
      const StateId start = builder_.AddState(body);
      const StateId end = builder_.AddState(body);
      builder_.SetStart(body, start);
      builder_.SetFinal(end);
      Emit(expr.children[0], body, start, end);
      const NodeId repeat = builder_.AddNode(Node::Kind::kRepeat);
      const StateId again = builder_.AddState(repeat);
      const StateId done = builder_.AddState(repeat);
      builder_.SetStart(repeat, again);
      builder_.SetFinal(done);
      builder_.Call(again, body, again, Op::kRepeat);
      builder_.Free(again, done, Op::kRepeatDone);
      builder_.repeat_rule(repeat) = {.min = expr.min, .max = expr.max};
      builder_.Call(from, repeat, to);
      return;
    }
  }
}

Result<NodeId> Cfg::Build(std::string_view root) {
  const auto it = by_name_.find(std::string(root));
  if (it == by_name_.end() || !rules_[it->second].defined)
    return InvalidArgument(fmt::format("the grammar has no rule '{}'", root));
  for (const RuleInfo& rule : rules_)
    if (!rule.defined)
      return InvalidArgument(fmt::format("the rule '{}' is not defined", rule.name));
  INFE_TRY(FindRegular());
  INFE_TRY(builder_.Check("the grammar"));
  for (RuleInfo& rule : rules_)
    if (!rule.regular) rule.node = builder_.AddNode();
  const NodeId top = builder_.AddNode();
  const auto fill = [&](NodeId node, const CfgExpr& body) {
    const StateId start = builder_.AddState(node);
    const StateId end = builder_.AddState(node);
    builder_.SetStart(node, start);
    builder_.SetFinal(end);
    Emit(body, node, start, end);
  };
  for (const RuleInfo& rule : rules_) {
    if (rule.regular) continue;
    fill(rule.node, rule.body);
    INFE_TRY(Check(rule));
  }
  fill(top, {.kind = CfgExpr::Kind::kRule, .rule = it->second});
  return top;
}

}  // namespace infe::grammar
