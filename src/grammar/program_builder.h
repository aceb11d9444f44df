// Assembles a Program: states, transitions and rules in any order, then Finish, which works out the
// distances to the end and cuts away what can never be finished. After that every state that a text
// can reach has a way on.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fuel.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/program.h"

namespace infe::grammar {

// Alternatives for one place: any of these lexemes or nodes.
struct Value {
  std::vector<LexemeId> lexemes;
  std::vector<NodeId> nodes;
  bool empty() const { return lexemes.empty() && nodes.empty(); }
};

class ProgramBuilder {
 public:
  // Everything that is built, the regexes of pool() included, spends one fuel.
  explicit ProgramBuilder(const CompileBudget& budget = {});
  ProgramBuilder(const ProgramBuilder&) = delete;
  ProgramBuilder& operator=(const ProgramBuilder&) = delete;

  Fuel& fuel() { return fuel_; }
  // A schema, pattern, grammar or text of so many bytes is going to be built: the fuel grows with
  // it. REQUIRES: at most kSchemaBytesMax or so.
  void Reads(size_t source_bytes);
  // Whether the fuel, or a bound of the pool, has run out: what is built from now on is of no use.
  bool exhausted() const { return fuel_.empty() || program_.pool.overflowed(); }
  // The error to report then. what: whose work it was, as the beginning of a sentence. CHECKs.
  Error Refusal(std::string_view what) const;
  // That error once it is due.
  Result<void> Check(std::string_view what) const;

  RegexPool& pool() { return program_.pool; }
  Program& program() { return program_; }

  LexemeId AddLexeme(const Lexeme& lexeme);              // the same id for an equal one
  NodeId AddNode(Node::Kind kind = Node::Kind::kPlain);  // with an empty rule of its kind
  StateId AddState(NodeId node, bool blank_before = false);
  void SetStart(NodeId node, StateId state) { program_.nodes[node].start = state; }
  void SetFinal(StateId state) { program_.states[state].final = true; }
  void SetTag(StateId state, std::string_view name);
  // Where the schema stands of a member that must be there and whose value is read from this state:
  // for the error of Finish.
  void SetPlace(StateId value, std::string place) { places_.emplace(value, std::move(place)); }
  ObjectRule& object_rule(NodeId node) { return program_.objects[program_.nodes[node].rule]; }
  ArrayRule& array_rule(NodeId node) { return program_.arrays[program_.nodes[node].rule]; }
  RepeatRule& repeat_rule(NodeId node) { return program_.repeats[program_.nodes[node].rule]; }

  void Lex(StateId from, LexemeId lexeme, StateId to, Op op = Op::kNone, uint32_t arg = 0);
  void Call(StateId from, NodeId node, StateId to, Op op = Op::kNone, uint32_t arg = 0);
  void Free(StateId from, StateId to, Op op = Op::kNone, uint32_t arg = 0);
  // One transition per alternative.
  void Read(StateId from, const Value& value, StateId to, Op op = Op::kNone, uint32_t arg = 0);
  void Literal(StateId from, std::string_view text, StateId to, Op op = Op::kNone);

  size_t state_count() const { return program_.states.size(); }

  // Errors: kResourceExhausted (states, regex nodes), kInvalidArgument when no text at all matches;
  // it says where in a schema the reason stands, as far as it is one place.
  Result<Program> Finish(NodeId root);
  // Whether node matches anything, as far as its parts are built. For compilers that choose between
  // alternatives; Finish decides for good.
  static constexpr size_t kStatesMax = kProgramStatesMax;

 private:
  void Add(StateId from, const Transition& transition);
  void MeasureHits(ArrayRule* rule) const;
  static bool HasALength(const ArrayRule& rule);
  uint32_t MeasureObject(const Node& node);
  uint32_t MeasureArray(const Node& node);
  uint32_t MeasureRepeat(const Node& node);
  void Measure();
  void MeasureRules();
  bool Cut();
  std::string PlaceWithoutText(NodeId root) const;
  uint32_t TransitionBytes(const Transition& t) const;
  uint32_t ReadBytes(StateId state) const;

  Fuel fuel_;
  Program program_;
  std::vector<std::vector<Transition>> outgoing_;  // by state, until Finish lays them out
  std::unordered_multimap<uint64_t, LexemeId> known_lexemes_;
  std::vector<uint32_t> lexeme_bytes_;
  std::map<std::string, uint32_t, std::less<>> tag_ids_;
  std::unordered_map<StateId, std::string> places_;
};

}  // namespace infe::grammar
