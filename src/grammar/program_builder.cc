#include "grammar/program_builder.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>

#include "base/check.h"
#include "grammar/spelling.h"

namespace infe::grammar {
namespace {

uint32_t AddSaturated(uint32_t a, uint32_t b) {
  return a > kNoIndex - b ? kNoIndex : a + b;
}

// With the rule of an object or array, and with the list of transitions.
constexpr size_t kNodeBytes = 256;
constexpr size_t kStateBytes = 96;

uint64_t Hash(const Lexeme& l) {
  uint64_t h = static_cast<uint64_t>(l.spelling);
  for (const uint64_t v : {uint64_t{l.content}, uint64_t{l.tail}, uint64_t{l.min_chars},
                           uint64_t{l.max_chars}, uint64_t{l.last}})
    h = (h ^ v) * 0x9E3779B97F4A7C15ull;
  return h;
}

}  // namespace

ProgramBuilder::ProgramBuilder(const CompileBudget& budget)
    : fuel_({.steps = kCompileSteps,
             .bytes = kCompileBytes,
             .cpu = std::chrono::milliseconds(kCompileCpuMsMax)},
            budget.cancelled, budget.deadline) {
  program_.pool.SetFuel(&fuel_);
}

void ProgramBuilder::Reads(size_t source_bytes) {
  fuel_.Allow(kCompileStepsPerByte * source_bytes, kCompileBytesPerByte * source_bytes,
              {.steps = kCompileStepsMax, .bytes = kCompileBytesMax});
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
  fuel_.Spend(2);
  fuel_.Hold(sizeof lexeme + 48);
  const auto id = static_cast<LexemeId>(program_.lexemes.size());
  program_.lexemes.push_back(lexeme);
  known_lexemes_.emplace(hash, id);
  return id;
}

NodeId ProgramBuilder::AddNode(Node::Kind kind) {
  fuel_.Spend(2);
  fuel_.Hold(kNodeBytes);
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
  fuel_.Spend();
  fuel_.Hold(kStateBytes);
  program_.states.push_back({.node = node, .blank_before = blank_before});
  outgoing_.emplace_back();
  return static_cast<StateId>(program_.states.size() - 1);
}

void ProgramBuilder::SetTag(StateId state, std::string_view name) {
  const auto [it, fresh] = tag_ids_.emplace(std::string(name), program_.tags.size());
  if (fresh) program_.tags.emplace_back(name);
  program_.states[state].tag = it->second;
}

void ProgramBuilder::Add(StateId from, const Transition& transition) {
  fuel_.Spend();
  fuel_.Hold(2 * sizeof transition);
  outgoing_[from].push_back(transition);
}

void ProgramBuilder::Lex(StateId from, LexemeId lexeme, StateId to, Op op, uint32_t arg) {
  Add(from, {Transition::Kind::kLex, op, arg, lexeme, to});
}
void ProgramBuilder::Call(StateId from, NodeId node, StateId to, Op op, uint32_t arg) {
  Add(from, {Transition::Kind::kCall, op, arg, node, to});
}
void ProgramBuilder::Free(StateId from, StateId to, Op op, uint32_t arg) {
  Add(from, {Transition::Kind::kFree, op, arg, 0, to});
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

// Bytes of a short object, and those of its members.
uint32_t ProgramBuilder::MeasureObject(const Node& node) {
  uint32_t bytes = program_.states[node.start].bytes_to_end;
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
      if (!fuel_.Spend(1 + p.needs.size() / 8)) return kNoIndex;
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
  return required > rule.max ? kNoIndex : bytes;
}

// Whether some length within the bounds has enough hits and not too many, of items that exist.
bool ProgramBuilder::HasALength(const ArrayRule& rule) {
  if (!rule.counts_hits) return true;
  uint64_t possible = 0;
  uint64_t forced = 0;
  for (uint32_t i = 0; i < rule.prefix; ++i) {
    if (i >= rule.min && possible >= rule.min_hits && forced <= rule.max_hits) return true;
    if (i >= rule.max || rule.item_bytes[i] == kNoIndex) return false;
    possible += rule.can_hit[i];
    forced += !rule.can_miss[i];
  }
  // The rest is all alike: the least length that the lower bounds ask for.
  uint64_t more = rule.min > rule.prefix ? rule.min - rule.prefix : 0;
  if (possible < rule.min_hits) {
    if (!rule.can_hit.back()) return false;
    more = std::max(more, rule.min_hits - possible);
  }
  if (more > 0 && (rule.item_bytes.back() == kNoIndex || rule.prefix + more > rule.max))
    return false;
  if (!rule.can_miss.back()) forced += more;
  return forced <= rule.max_hits;
}

uint32_t ProgramBuilder::MeasureArray(const Node& node) {
  uint32_t bytes = program_.states[node.start].bytes_to_end;
  ArrayRule& rule = program_.arrays[node.rule];
  rule.item_bytes.assign(rule.prefix + 1, kNoIndex);
  for (const Transition& t : outgoing_[rule.item]) {
    const uint32_t i = t.arg == kNoIndex ? rule.prefix : t.arg;
    if (program_.states[t.target].bytes_to_end != kNoIndex)
      rule.item_bytes[i] = std::min(rule.item_bytes[i], TransitionBytes(t));
  }
  if (rule.counts_hits) MeasureHits(&rule);
  if (!HasALength(rule)) return kNoIndex;
  const uint32_t least = std::max(rule.min, rule.min_hits);
  for (uint32_t i = 0; i < least && bytes != kNoIndex; ++i) {
    const uint32_t item = rule.item_bytes[std::min<size_t>(i, rule.prefix)];
    if (i >= rule.prefix) {  // the rest is all alike
      bytes = item == kNoIndex ? kNoIndex : AddSaturated(bytes, (least - i) * (item + 1));
      break;
    }
    bytes = AddSaturated(bytes, AddSaturated(item, 1));
  }
  return bytes;
}

uint32_t ProgramBuilder::MeasureRepeat(const Node& node) {
  const uint32_t bytes = program_.states[node.start].bytes_to_end;
  RepeatRule& rule = program_.repeats[node.rule];
  rule.bytes = 0;
  for (const Transition& t : outgoing_[node.start])
    if (t.op == Op::kRepeat) rule.bytes = TransitionBytes(t);
  if (rule.min == 0) return bytes;
  return rule.bytes == kNoIndex ? kNoIndex : AddSaturated(bytes, rule.min * rule.bytes);
}

// The parts of the rules that depend on the length of values.
void ProgramBuilder::MeasureRules() {
  for (Node& node : program_.nodes) {
    switch (node.kind) {
      case Node::Kind::kPlain:
        if (!fuel_.Spend()) return;
        node.bytes = program_.states[node.start].bytes_to_end;
        break;
      case Node::Kind::kObject:
        if (!fuel_.Spend(1 + program_.objects[node.rule].properties.size() / 2)) return;
        node.bytes = MeasureObject(node);
        break;
      case Node::Kind::kArray:
        if (!fuel_.Spend(1 + outgoing_[program_.arrays[node.rule].item].size() / 2)) return;
        node.bytes = MeasureArray(node);
        break;
      case Node::Kind::kRepeat:
        if (!fuel_.Spend()) return;
        node.bytes = MeasureRepeat(node);
        break;
    }
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
    if (!fuel_.Spend(2 + text.size())) return;
  }
  for (Node& node : program_.nodes) node.bytes = kNoIndex;
  for (State& state : program_.states) state.bytes_to_end = state.final ? 0 : kNoIndex;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = program_.states.size(); i-- > 0;) {
      if (!fuel_.Spend(1 + outgoing_[i].size() / 8)) return;
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

// Which positions can be a hit or not, now that some values have turned out to be impossible.
void ProgramBuilder::MeasureHits(ArrayRule* rule) const {
  rule->can_hit.assign(rule->prefix + 1, false);
  rule->can_miss.assign(rule->prefix + 1, false);
  for (const Transition& t : outgoing_[rule->item]) {
    if (TransitionBytes(t) == kNoIndex) continue;
    const uint32_t position = t.arg == kNoIndex ? rule->prefix : t.arg;
    if (t.op == Op::kItemHit) rule->can_hit[position] = true;
    if (t.op == Op::kItemMiss) rule->can_miss[position] = true;
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
    if (rule.min > rule.max && !outgoing_[node.start].empty()) {
      outgoing_[node.start].clear();
      again = true;
    }
  }
  return again;
}

// The innermost member that has to be there and cannot be, from the root on; "" where it is not one
// place that stands in the way.
std::string ProgramBuilder::PlaceWithoutText(NodeId root) const {
  std::string place;
  std::unordered_set<NodeId> seen;
  for (NodeId at = root; seen.insert(at).second;) {
    const Node& node = program_.nodes[at];
    StateId from = node.start;
    if (node.kind == Node::Kind::kArray) from = program_.arrays[node.rule].item;
    if (node.kind == Node::Kind::kObject) {
      const std::vector<ObjectRule::Property>& members = program_.objects[node.rule].properties;
      const auto missing = std::ranges::find_if(
          members, [](const ObjectRule::Property& p) { return p.required && !p.possible; });
      if (missing == members.end()) break;
      from = missing->value;
      if (const auto known = places_.find(from); known != places_.end()) place = known->second;
    }
    std::optional<NodeId> inside;
    bool alone = true;
    for (const Transition& t : outgoing_[from]) {
      alone = alone && (!inside || *inside == t.id) && t.kind == Transition::Kind::kCall;
      inside = t.id;
    }
    if (!inside || !alone) break;
    at = *inside;
  }
  return place;
}

Result<Program> ProgramBuilder::Finish(NodeId root) {
  if (program_.states.size() > kProgramStatesMax)
    return ResourceExhausted(fmt::format(
        "the grammar needs more than {} states (kProgramStatesMax)", kProgramStatesMax));
  std::optional<std::string> place;
  do {
    Measure();
    // What has no text is cut away, so the reason is looked for before.
    if (!place && !exhausted() && program_.nodes[root].bytes == kNoIndex)
      place = PlaceWithoutText(root);
  } while (!exhausted() && Cut());
  INFE_TRY(Check("the grammar"));
  if (program_.nodes[root].bytes == kNoIndex)
    return InvalidArgument(fmt::format(
        "{}no text matches: the constraints contradict each other",
        place && !place->empty() ? fmt::format("In context={}, ", *place) : std::string()));
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
