#include "grammar/program_builder.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "grammar/spelling.h"

namespace infe::grammar {
namespace {

uint32_t AddSaturated(uint32_t a, uint32_t b) {
  return a > kNoIndex - b ? kNoIndex : a + b;
}

uint64_t Hash(const Lexeme& l) {
  uint64_t h = static_cast<uint64_t>(l.spelling);
  for (const uint64_t v : {uint64_t{l.content}, uint64_t{l.tail}, uint64_t{l.min_chars},
                           uint64_t{l.max_chars}, uint64_t{l.last}})
    h = (h ^ v) * 0x9E3779B97F4A7C15ull;
  return h;
}

}  // namespace

ProgramBuilder::ProgramBuilder(const CompileBudget& budget)
    : fuel_({.steps = kCompileStepsMax,
             .bytes = kCompileBytesMax,
             .cpu = std::chrono::milliseconds(kCompileCpuMsMax)},
            budget.cancelled, budget.deadline) {
  program_.pool.SetFuel(&fuel_);
}

Error ProgramBuilder::Refusal(std::string_view what) const {
  if (fuel_.empty()) return fuel_.Refusal(what);
  switch (program_.pool.overflow()) {
    case RegexPool::Overflow::kNone:
    case RegexPool::Overflow::kFuel:
      break;
    case RegexPool::Overflow::kNodes:
      return ResourceExhausted(fmt::format(
          "{} needs more than {} nodes of regexes (kRegexNodesMax)", what, kRegexNodesMax));
    case RegexPool::Overflow::kEmptiness:
      return ResourceExhausted(
          fmt::format("{} has a pattern of more than {} states that may lead nowhere "
                      "(kEmptinessStatesMax)",
                      what, kEmptinessStatesMax));
  }
  INFE_CHECK(false);
  return {};
}

Result<void> ProgramBuilder::Check(std::string_view what) const {
  if (exhausted()) return Refusal(what);
  return {};
}

LexemeId ProgramBuilder::AddLexeme(const Lexeme& lexeme) {
  const uint64_t hash = Hash(lexeme);
  const auto [begin, end] = known_lexemes_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (program_.lexemes[it->second] == lexeme) return it->second;
  const auto id = static_cast<LexemeId>(program_.lexemes.size());
  program_.lexemes.push_back(lexeme);
  known_lexemes_.emplace(hash, id);
  return id;
}

NodeId ProgramBuilder::AddNode(Node::Kind kind) {
  Node node{.kind = kind};
  switch (kind) {
    case Node::Kind::kPlain:
      break;
    case Node::Kind::kObject:
      node.rule = static_cast<uint32_t>(program_.objects.size());
      program_.objects.emplace_back();
      break;
    case Node::Kind::kArray:
      node.rule = static_cast<uint32_t>(program_.arrays.size());
      program_.arrays.emplace_back();
      break;
    case Node::Kind::kRepeat:
      node.rule = static_cast<uint32_t>(program_.repeats.size());
      program_.repeats.emplace_back();
      break;
  }
  program_.nodes.push_back(node);
  return static_cast<NodeId>(program_.nodes.size() - 1);
}

StateId ProgramBuilder::AddState(NodeId node, bool blank_before) {
  program_.states.push_back({.node = node, .blank_before = blank_before});
  outgoing_.emplace_back();
  return static_cast<StateId>(program_.states.size() - 1);
}

void ProgramBuilder::SetTag(StateId state, std::string_view name) {
  const auto [it, fresh] = tag_ids_.emplace(std::string(name), program_.tags.size());
  if (fresh) program_.tags.emplace_back(name);
  program_.states[state].tag = it->second;
}

void ProgramBuilder::Lex(StateId from, LexemeId lexeme, StateId to, Op op, uint32_t arg) {
  outgoing_[from].push_back({Transition::Kind::kLex, op, arg, lexeme, to});
}
void ProgramBuilder::Call(StateId from, NodeId node, StateId to, Op op, uint32_t arg) {
  outgoing_[from].push_back({Transition::Kind::kCall, op, arg, node, to});
}
void ProgramBuilder::Free(StateId from, StateId to, Op op, uint32_t arg) {
  outgoing_[from].push_back({Transition::Kind::kFree, op, arg, 0, to});
}
void ProgramBuilder::Read(StateId from, const Value& value, StateId to, Op op, uint32_t arg) {
  for (const LexemeId id : value.lexemes) Lex(from, id, to, op, arg);
  for (const NodeId id : value.nodes) Call(from, id, to, op, arg);
}
void ProgramBuilder::Literal(StateId from, std::string_view text, StateId to, Op op) {
  Lex(from, AddLexeme({.content = pool().Literal(text)}), to, op);
}

uint32_t ProgramBuilder::TransitionBytes(const Transition& t) const {
  switch (t.kind) {
    case Transition::Kind::kLex:
      return lexeme_bytes_[t.id];
    case Transition::Kind::kCall:
      return program_.nodes[t.id].bytes;
    case Transition::Kind::kFree:
      return 0;
  }
  return kNoIndex;
}

// Bytes of the cheapest single step out of a state.
uint32_t ProgramBuilder::ReadBytes(StateId state) const {
  uint32_t best = kNoIndex;
  for (const Transition& t : outgoing_[state])
    if (program_.states[t.target].bytes_to_end != kNoIndex)
      best = std::min(best, TransitionBytes(t));
  return best;
}

// The parts of the rules that depend on the length of values.
void ProgramBuilder::MeasureRules() {
  for (Node& node : program_.nodes) {
    const State& start = program_.states[node.start];
    uint32_t bytes = start.bytes_to_end;
    if (node.kind == Node::Kind::kObject) {
      ObjectRule& rule = program_.objects[node.rule];
      uint32_t required = 0;
      for (ObjectRule::Property& p : rule.properties) {
        const uint32_t value = ReadBytes(p.value);
        p.bytes = AddSaturated(static_cast<uint32_t>(p.name.size()) + 4, value);
        p.possible = value != kNoIndex;
      }
      // What needs an impossible property is impossible, and so on.
      for (bool changed = rule.has_needs; changed;) {
        changed = false;
        for (ObjectRule::Property& p : rule.properties) {
          if (!p.possible) continue;
          for (const uint32_t other : p.needs)
            p.possible = p.possible && rule.properties[other].possible;
          if (p.possible) continue;
          p.bytes = kNoIndex;
          changed = true;
        }
      }
      for (const ObjectRule::Property& p : rule.properties) {
        if (!p.required) continue;
        ++required;
        bytes = AddSaturated(bytes, AddSaturated(p.bytes, 1));
      }
      rule.other_bytes = kNoIndex;
      for (const StateId state : rule.other_values)
        rule.other_bytes = std::min(rule.other_bytes, AddSaturated(ReadBytes(state), 8));
      if (rule.min > required) {
        uint32_t extra = rule.other_bytes;
        for (const ObjectRule::Property& p : rule.properties)
          if (!p.required) extra = std::min(extra, p.bytes);
        bytes = extra == kNoIndex ? kNoIndex : AddSaturated(bytes, (rule.min - required) * extra);
        rule.other_bytes = extra;
      }
      if (required > rule.max) bytes = kNoIndex;
    } else if (node.kind == Node::Kind::kArray) {
      ArrayRule& rule = program_.arrays[node.rule];
      rule.item_bytes.assign(rule.prefix + 1, kNoIndex);
      for (const Transition& t : outgoing_[rule.item]) {
        const uint32_t i = t.arg == kNoIndex ? rule.prefix : t.arg;
        if (program_.states[t.target].bytes_to_end != kNoIndex)
          rule.item_bytes[i] = std::min(rule.item_bytes[i], TransitionBytes(t));
      }
      const uint32_t least = std::max(rule.min, rule.min_hits);
      for (uint32_t i = 0; i < least && bytes != kNoIndex; ++i) {
        const uint32_t item = rule.item_bytes[std::min<size_t>(i, rule.prefix)];
        if (i >= rule.prefix) {  // the rest is all alike
          bytes = item == kNoIndex ? kNoIndex : AddSaturated(bytes, (least - i) * (item + 1));
          break;
        }
        bytes = AddSaturated(bytes, AddSaturated(item, 1));
      }
    } else if (node.kind == Node::Kind::kRepeat) {
      RepeatRule& rule = program_.repeats[node.rule];
      rule.bytes = 0;
      for (const Transition& t : outgoing_[node.start])
        if (t.op == Op::kRepeat) rule.bytes = TransitionBytes(t);
      if (rule.min > 0)
        bytes = rule.bytes == kNoIndex ? kNoIndex : AddSaturated(bytes, rule.min * rule.bytes);
    }
    node.bytes = bytes;
  }
}

// Distances to the end of each node, upwards from nothing known, until nothing changes.
void ProgramBuilder::Measure() {
  Speller speller(&program_.pool);
  for (size_t i = lexeme_bytes_.size(); i < program_.lexemes.size(); ++i) {
    const Lexeme& lexeme = program_.lexemes[i];
    const bool dead = program_.pool.IsEmpty(lexeme.content);
    const std::string text =
        dead ? "" : speller.Finish(lexeme, speller.Start(lexeme), lexeme.min_chars);
    lexeme_bytes_.push_back(dead ? kNoIndex : static_cast<uint32_t>(text.size()));
  }
  for (Node& node : program_.nodes) node.bytes = kNoIndex;
  for (State& state : program_.states) state.bytes_to_end = state.final ? 0 : kNoIndex;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = program_.states.size(); i-- > 0;) {
      State& state = program_.states[i];
      uint32_t best = state.bytes_to_end;
      for (const Transition& t : outgoing_[i]) {
        const uint32_t rest = program_.states[t.target].bytes_to_end;
        best = std::min(best, AddSaturated(TransitionBytes(t), rest));
      }
      if (best == state.bytes_to_end) continue;
      state.bytes_to_end = best;
      changed = true;
    }
    std::vector<uint32_t> before;
    before.reserve(program_.nodes.size());
    for (const Node& node : program_.nodes) before.push_back(node.bytes);
    MeasureRules();
    for (size_t i = 0; i < before.size(); ++i)
      changed = changed || program_.nodes[i].bytes != before[i];
  }
}

// Removes transitions that cannot be finished. True if that may have made more of them.
bool ProgramBuilder::Cut() {
  bool again = false;
  for (size_t i = 0; i < outgoing_.size(); ++i) {
    const Node& node = program_.nodes[program_.states[i].node];
    std::erase_if(outgoing_[i], [&](const Transition& t) {
      return TransitionBytes(t) == kNoIndex || program_.states[t.target].bytes_to_end == kNoIndex ||
             (t.op == Op::kKey && !program_.objects[node.rule].properties[t.arg].possible);
    });
  }
  for (const Node& node : program_.nodes) {
    if (node.kind != Node::Kind::kArray || node.bytes == kNoIndex) continue;
    // An array ends before the first position that no item fits.
    ArrayRule& rule = program_.arrays[node.rule];
    for (uint32_t i = 0; i <= rule.prefix; ++i) {
      if (rule.item_bytes[i] != kNoIndex || i >= rule.max) continue;
      rule.max = i;
      again = true;
      break;
    }
    if (rule.min > rule.max) {
      outgoing_[node.start].clear();
      again = true;
    }
  }
  return again;
}

Result<Program> ProgramBuilder::Finish(NodeId root) {
  if (program_.states.size() > kProgramStatesMax)
    return ResourceExhausted(fmt::format(
        "the grammar needs more than {} states (kProgramStatesMax)", kProgramStatesMax));
  do {
    Measure();
  } while (Cut());
  INFE_TRY(Check("the grammar"));
  if (program_.nodes[root].bytes == kNoIndex)
    return InvalidArgument("no text matches: the constraints contradict each other");
  program_.root = root;
  program_.pool.SetFuel(nullptr);
  for (size_t i = 0; i < program_.states.size(); ++i) {
    program_.states[i].first = static_cast<uint32_t>(program_.transitions.size());
    program_.states[i].count = static_cast<uint32_t>(outgoing_[i].size());
    program_.transitions.insert(program_.transitions.end(), outgoing_[i].begin(),
                                outgoing_[i].end());
  }
  return std::move(program_);
}

}  // namespace infe::grammar
