// A context-free grammar as GBNF and Lark describe it, and its compilation. Whatever is regular,
// rules that do not reach themselves included, becomes one lexeme; only real recursion is left to
// the parser. Lexemes are not greedy, so this changes no language.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/program_builder.h"

namespace infe::grammar {

struct CfgExpr {
  enum class Kind { kRegex, kRule, kSequence, kChoice, kRepeat };
  Kind kind = Kind::kSequence;
  RegexId regex = kNothing;  // of kRegex
  uint32_t rule = 0;         // of kRule
  std::vector<CfgExpr> children = {};
  uint32_t min = 0;
  uint32_t max = 0;
  uint32_t height = 1;  // levels of it, at most kGrammarDepthMax times what a group takes

  // Adds a part.
  void Take(CfgExpr child) {
    height = std::max(height, child.height + 1);
    children.push_back(std::move(child));
  }
};

class Cfg {
 public:
  // builder outlives it; spelling: how the text of the grammar is written (kUtf8, kJsonInside).
  Cfg(ProgramBuilder* builder, Spelling spelling) : builder_(*builder), spelling_(spelling) {}

  RegexPool& pool() { return builder_.pool(); }
  // The number of a rule, made when first mentioned.
  uint32_t Rule(std::string_view name);
  // line: where it stands, 0 for what no line says. Errors: defined before, nested too deeply.
  Result<void> Define(uint32_t rule, CfgExpr body, size_t line = 0);
  // Steps and memory for one more part of a rule, as it is read. False once the fuel is used up.
  bool Spend() {
    builder_.fuel().Hold(2 * sizeof(CfgExpr));
    return builder_.fuel().Spend(2);
  }
  // The error then.
  Error Refusal(std::string_view what) const { return builder_.Refusal(what); }
  // A node that reads the texts of root. Errors: rules that are mentioned and not defined, a limit.
  Result<NodeId> Build(std::string_view root);

 private:
  struct RuleInfo {
    std::string name;
    bool defined = false;
    size_t line = 0;
    CfgExpr body = {};
    bool regular = false;
    RegexId regex = kNothing;  // of regular rules
    NodeId node = 0;           // of others
  };
  bool IsRegular(const CfgExpr& expr);
  RegexId ToRegex(const CfgExpr& expr);
  RegexId Concatenated(std::span<const CfgExpr> run);
  Result<void> FindRegular();
  // Errors: the fuel, or a bound of the pool, has run out at this rule.
  Result<void> Check(const RuleInfo& rule) const;
  // Adds transitions that read expr between two states.
  void Emit(const CfgExpr& expr, NodeId node, StateId from, StateId to);
  void EmitRegex(RegexId regex, StateId from, StateId to);

  ProgramBuilder& builder_;
  const Spelling spelling_;
  std::vector<RuleInfo> rules_;
  std::unordered_map<std::string, uint32_t> by_name_;
};

}  // namespace infe::grammar
