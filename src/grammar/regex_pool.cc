// Building nodes: every constructor simplifies, so that derivatives fall together and the lazy
// automaton stays small.
#include "grammar/regex_pool.h"

#include <algorithm>

#include "base/utf8.h"
#include "grammar/limits.h"

namespace infe::grammar {
namespace {

uint64_t Mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9E3779B97F4A7C15ull + (h << 6) + (h >> 2);
  return h * 0xD6E8FEB86659FD93ull;
}

uint32_t AddSaturated(uint32_t a, uint32_t b) {
  return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}
uint32_t MultiplySaturated(uint32_t a, uint32_t b) {
  const uint64_t product = uint64_t{a} * b;
  return product > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(product);
}

// What a node and its entry in the table of known ones take, vectors' spare room included; the same
// for a class beside its ranges.
constexpr size_t kNodeBytes = 112;
constexpr size_t kClassBytes = 80;

std::u32string ToCodePoints(std::string_view utf8) {
  std::u32string text;
  for (size_t at = 0; at < utf8.size();) text.push_back(DecodeUtf8(utf8, at));
  return text;
}

}  // namespace

RegexPool::RegexPool() {
  nodes_.reserve(64);
  Intern({.kind = Kind::kNothing}, {});
  Intern({.kind = Kind::kEmptyText, .nullable = true}, {});
  Intern({.kind = Kind::kNot, .nullable = true, .pure = true, .a = kNothing}, {});
}

bool RegexPool::Spend(uint64_t steps) {
  if (fuel_ != nullptr && !fuel_->Spend(steps)) RunOut(Overflow::kFuel);
  return !overflowed();
}

bool RegexPool::Hold(size_t bytes) {
  bytes_ += bytes;
  if (fuel_ != nullptr && !fuel_->Hold(bytes)) RunOut(Overflow::kFuel);
  return !overflowed();
}

RegexId RegexPool::Intern(Node node, std::span<const RegexId> list) {
  if (!Spend(1 + list.size() / 8)) return kNothing;
  uint64_t hash = Mix(static_cast<uint64_t>(node.kind), node.a);
  hash = Mix(hash, node.b);
  hash = Mix(hash, (uint64_t{node.min} << 32) | node.max);
  for (const RegexId id : list) hash = Mix(hash, id);
  const auto [begin, end] = known_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const Node& other = nodes_[it->second];
    if (other.kind == node.kind && other.a == node.a && other.b == node.b &&
        other.min == node.min && other.max == node.max && std::ranges::equal(List(other), list))
      return it->second;
  }
  if (nodes_.size() >= kRegexNodesMax) RunOut(Overflow::kNodes);
  if (!Hold(kNodeBytes + list.size_bytes())) return kNothing;
  node.list_begin = static_cast<uint32_t>(lists_.size());
  node.list_size = static_cast<uint32_t>(list.size());
  lists_.insert(lists_.end(), list.begin(), list.end());
  const RegexId id = static_cast<RegexId>(nodes_.size());
  nodes_.push_back(node);
  known_.emplace(hash, id);
  return id;
}

RegexId RegexPool::Class(const CharSet& set) {
  const CharSet clean = set.WithoutSurrogates();
  if (clean.empty() || !Spend(1 + clean.ranges().size() / 4)) return kNothing;
  uint32_t index = 0;
  // The class table is searched by a hash of its own, kept in the same map under a salt.
  uint64_t hash = 0xC1A55;
  for (const CharRange& r : clean.ranges()) hash = Mix(hash, (uint64_t{r.lo} << 32) | r.hi);
  const auto [begin, end] = known_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const Node& other = nodes_[it->second];
    if (other.kind == Kind::kClass && classes_[other.a] == clean) return it->second;
  }
  if (!Hold(kClassBytes + clean.ranges().size() * sizeof(CharRange))) return kNothing;
  index = static_cast<uint32_t>(classes_.size());
  classes_.push_back(clean);
  const RegexId id = Intern({.kind = Kind::kClass, .a = index, .shortest = 1}, {});
  known_.emplace(hash, id);
  return id;
}

RegexId RegexPool::Literal(std::string_view utf8) {
  const std::u32string text = ToCodePoints(utf8);
  RegexId id = kEmptyText;
  for (size_t i = text.size(); i-- > 0 && !overflowed();) id = Concat(Char(text[i]), id);
  return id;
}

RegexId RegexPool::LiteralBytes(std::string_view bytes) {
  RegexId id = kEmptyText;
  for (size_t i = bytes.size(); i-- > 0 && !overflowed();)
    id = Concat(Char(static_cast<uint8_t>(bytes[i])), id);
  return id;
}

RegexId RegexPool::Literals(std::vector<std::string> utf8) {
  std::vector<std::u32string> texts;
  texts.reserve(utf8.size());
  for (const std::string& text : utf8) {
    if (!Spend(1 + text.size() / 8)) return kNothing;
    texts.push_back(ToCodePoints(text));
  }
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return LiteralTree(texts);
}

// Text by text in their order, with the places open at which texts so far part from later ones: a
// place is closed when the next text parts before it. No recursion, because a list of texts may
// part at every character of a long one.
RegexId RegexPool::LiteralTree(std::span<const std::u32string> sorted) {
  struct Fork {
    size_t at = 0;  // characters in front of it
    std::vector<RegexId> branches = {};
  };
  std::vector<Fork> open(1);
  for (size_t i = 0; i < sorted.size() && !overflowed(); ++i) {
    const std::u32string& text = sorted[i];
    const bool last = i + 1 == sorted.size();
    // Where this text parts from the next one.
    const size_t parts =
        last ? 0
             : static_cast<size_t>(std::ranges::mismatch(text, sorted[i + 1]).in1 - text.begin());
    if (parts > open.back().at) open.push_back({.at = parts});
    RegexId branch = kEmptyText;  // text[from..] and whatever else parts behind `from`
    size_t from = text.size();
    while (true) {
      for (const size_t at = open.back().at; from > at && !overflowed();)
        branch = Concat(Char(text[--from]), branch);
      open.back().branches.push_back(branch);
      if (open.back().at == parts) break;
      branch = Or(std::move(open.back().branches));
      from = open.back().at;
      open.pop_back();
      if (parts > open.back().at) open.push_back({.at = parts});
    }
  }
  return Or(std::move(open.front().branches));
}

RegexId RegexPool::Concat(RegexId a, RegexId b) {
  if (a == kNothing || b == kNothing) return kNothing;
  if (a == kEmptyText) return b;
  if (b == kEmptyText) return a;
  if (a == kAnything && b == kAnything) return kAnything;
  if (nodes_[a].kind == Kind::kConcat) {
    // Kept right-leaning: (x y) b becomes x (y b). The left spine is walked, not recursed into.
    std::vector<RegexId> heads;
    RegexId rest = a;
    while (nodes_[rest].kind == Kind::kConcat && Spend(1)) {
      heads.push_back(nodes_[rest].a);
      rest = nodes_[rest].b;
    }
    if (overflowed()) return kNothing;
    RegexId result = Concat(rest, b);
    for (size_t i = heads.size(); i-- > 0 && !overflowed();) result = Concat(heads[i], result);
    return result;
  }
  if (a == kAnything && nodes_[b].kind == Kind::kConcat && nodes_[b].a == kAnything) return b;
  const Node& na = nodes_[a];
  const Node& nb = nodes_[b];
  return Intern({.kind = Kind::kConcat,
                 .nullable = na.nullable && nb.nullable,
                 .pure = na.pure && nb.pure,
                 .a = a,
                 .b = b,
                 .shortest = AddSaturated(na.shortest, nb.shortest)},
                {});
}

RegexId RegexPool::Concat(std::span<const RegexId> parts) {
  RegexId result = kEmptyText;
  for (size_t i = parts.size(); i-- > 0;) result = Concat(parts[i], result);
  return result;
}

RegexId RegexPool::Or(std::vector<RegexId> parts) {
  std::vector<RegexId> flat;
  std::vector<CharRange> characters;
  const auto add = [&](RegexId id) {
    if (nodes_[id].kind != Kind::kClass) {
      flat.push_back(id);
      return;
    }
    const auto& ranges = classes_[nodes_[id].a].ranges();
    characters.insert(characters.end(), ranges.begin(), ranges.end());
  };
  for (const RegexId id : parts) {
    if (id == kNothing) continue;
    if (id == kAnything) return kAnything;
    const Node& node = nodes_[id];
    if (node.kind == Kind::kOr) {
      for (const RegexId child : List(node)) add(child);
    } else {
      add(id);
    }
    // Looked at within the loop: the parts together may be far more than any one of them.
    if (!Spend(node.list_size / 8)) return kNothing;
  }
  if (!Spend((parts.size() + flat.size() + characters.size()) / 8)) return kNothing;
  if (!characters.empty()) flat.push_back(Class(CharSet::Of(std::move(characters))));
  std::sort(flat.begin(), flat.end());
  flat.erase(std::unique(flat.begin(), flat.end()), flat.end());
  // The empty text adds nothing beside another part that matches it.
  if (flat.size() > 1 && flat.front() == kEmptyText) {
    const bool covered =
        std::any_of(flat.begin() + 1, flat.end(), [&](RegexId id) { return nodes_[id].nullable; });
    if (covered) flat.erase(flat.begin());
  }
  if (flat.empty()) return kNothing;
  if (flat.size() == 1) return flat.front();
  Node node{.kind = Kind::kOr, .shortest = UINT32_MAX};
  for (const RegexId id : flat) {
    node.nullable = node.nullable || nodes_[id].nullable;
    node.pure = node.pure && nodes_[id].pure;
    node.shortest = std::min(node.shortest, nodes_[id].shortest);
  }
  return Intern(node, flat);
}

RegexId RegexPool::And(std::vector<RegexId> parts) {
  std::vector<RegexId> flat;
  for (const RegexId id : parts) {
    if (id == kNothing) return kNothing;
    if (id == kAnything) continue;
    const Node& node = nodes_[id];
    if (node.kind == Kind::kAnd) {
      const auto children = List(node);
      flat.insert(flat.end(), children.begin(), children.end());
    } else {
      flat.push_back(id);
    }
    if (!Spend(node.list_size / 8)) return kNothing;
  }
  if (!Spend((parts.size() + flat.size()) / 8)) return kNothing;
  std::sort(flat.begin(), flat.end());
  flat.erase(std::unique(flat.begin(), flat.end()), flat.end());
  if (flat.empty()) return kAnything;
  if (flat.size() == 1) return flat.front();
  bool nullable = true;
  bool all_classes = true;
  for (const RegexId id : flat) {
    const Node& node = nodes_[id];
    nullable = nullable && node.nullable;
    all_classes = all_classes && node.kind == Kind::kClass;
    if (node.kind == Kind::kNot && std::binary_search(flat.begin(), flat.end(), node.a))
      return kNothing;
  }
  if (flat.front() == kEmptyText) return nullable ? kEmptyText : kNothing;
  if (all_classes) {
    CharSet set = classes_[nodes_[flat.front()].a];
    for (const RegexId id : flat) {
      set = set.Intersect(classes_[nodes_[id].a]);
      if (!Spend(set.ranges().size() / 8)) return kNothing;
    }
    return Class(set);
  }
  return Intern({.kind = Kind::kAnd, .nullable = nullable, .pure = false}, flat);
}

RegexId RegexPool::Not(RegexId a) {
  if (a == kNothing) return kAnything;
  if (a == kAnything) return kNothing;
  const Node& node = nodes_[a];
  if (node.kind == Kind::kNot) return node.a;
  return Intern({.kind = Kind::kNot, .nullable = !node.nullable, .pure = false, .a = a}, {});
}

RegexId RegexPool::Repeat(RegexId a, uint32_t min, uint32_t max) {
  if (min > max) return kNothing;
  if (max == 0 || a == kEmptyText) return kEmptyText;
  if (a == kNothing) return min == 0 ? kEmptyText : kNothing;
  if (a == kAnything) return kAnything;
  if (min == 1 && max == 1) return a;
  const Node& node = nodes_[a];
  if (node.nullable) min = 0;
  if (min == 0 && max == kUnbounded) {
    if (node.kind == Kind::kRepeat && node.min <= 1 && node.max == kUnbounded)
      return Repeat(node.a, 0, kUnbounded);
    if (node.kind == Kind::kClass && classes_[node.a] == CharSet::All().WithoutSurrogates())
      return kAnything;
  }
  return Intern({.kind = Kind::kRepeat,
                 .nullable = min == 0,
                 .pure = node.pure,
                 .a = a,
                 .min = min,
                 .max = max,
                 .shortest = MultiplySaturated(node.shortest, min)},
                {});
}

RegexId RegexPool::Remainder(uint32_t divisor, uint32_t scale, uint32_t remainder, uint32_t left) {
  // Zeros for the digits that are not written must bring the remainder to nothing.
  uint64_t rest = remainder;
  for (uint32_t i = left == kUnbounded ? scale : left; i > 0; --i) rest = rest * 10 % divisor;
  return Intern({.kind = Kind::kRemainder,
                 .nullable = rest == 0,
                 .pure = false,
                 .a = remainder,
                 .b = left,
                 .min = divisor,
                 .max = scale},
                {});
}

RegexPool::SearchId RegexPool::AddSearch(TextSearch search) {
  uint64_t steps = 1;
  for (const TextSearch::Text& text : search.texts()) steps += text.bytes.size();
  if (Spend(steps)) Hold(search.bytes());
  searches_.push_back(std::make_shared<const TextSearch>(std::move(search)));
  return static_cast<SearchId>(searches_.size() - 1);
}

RegexId RegexPool::UpTo(SearchId search, uint32_t group) {
  const TextSearch& texts = *searches_[search];
  if (!Spend(4 * texts.TextsOf(group)) || texts.BytesTo(TextSearch::kStart, group) == UINT32_MAX)
    return kNothing;
  return Searching(search, TextSearch::kStart, group);
}

// Where a byte leads back to the beginning whatever was read, every state has an end. Without one
// they are looked at like those of any other node.
RegexId RegexPool::Searching(SearchId search, uint32_t state, uint32_t group) {
  const bool any = group == TextSearch::kNoGroup;
  const bool alive = any || searches_[search]->has_free_byte();
  return Intern({.kind = Kind::kSearch,
                 .nullable = any,
                 .pure = any,
                 .live = static_cast<uint8_t>(alive ? 1 : 0),
                 .a = search,
                 .b = state,
                 .min = group},
                {});
}

bool RegexPool::IsClassWindow(RegexId id, RegexId* character, uint32_t* min, uint32_t* max) const {
  const Node& node = nodes_[id];
  if (id == kAnything) {
    *character = kNothing;
    *min = 0;
    *max = kUnbounded;
    return true;
  }
  if (node.kind != Kind::kRepeat || nodes_[node.a].kind != Kind::kClass) return false;
  *character = node.a;
  *min = node.min;
  *max = node.max;
  return true;
}

// Works on the nodes under one of them that may be empty, each once, parts before wholes: a pattern
// may be nested as deep as its bound allows, and the machine's stack knows nothing of that.
RegexId RegexPool::NonEmpty(RegexId root) {
  std::unordered_map<RegexId, RegexId> made;
  const auto of = [&](RegexId id) { return nodes_[id].nullable ? made.at(id) : id; };
  std::vector<RegexId> open{root};
  while (!open.empty() && Spend(1)) {
    const RegexId id = open.back();
    const Node node = nodes_[id];
    const size_t before = open.size();
    const auto need = [&](RegexId part) {
      if (nodes_[part].nullable && !made.contains(part)) open.push_back(part);
    };
    if (node.nullable) {
      if (node.kind == Kind::kOr)
        for (const RegexId part : List(node)) need(part);
      if (node.kind == Kind::kConcat || node.kind == Kind::kRepeat) need(node.a);
      if (node.kind == Kind::kConcat) need(node.b);
    }
    if (open.size() > before) continue;
    open.pop_back();
    if (node.nullable && !made.contains(id)) made.emplace(id, MakeNonEmpty(id, of));
  }
  return overflowed() ? kNothing : of(root);
}

template <typename Of>
RegexId RegexPool::MakeNonEmpty(RegexId id, const Of& of) {
  const Node node = nodes_[id];
  switch (node.kind) {
    case Kind::kNothing:
    case Kind::kEmptyText:
    case Kind::kClass:
      return kNothing;
    case Kind::kConcat:
      return Or(Concat(of(node.a), node.b), of(node.b));
    case Kind::kOr: {
      std::vector<RegexId> parts(List(node).begin(), List(node).end());
      for (RegexId& part : parts) part = of(part);
      return Or(std::move(parts));
    }
    case Kind::kRepeat:  // rounds that read nothing count, so one that reads is enough
      return node.max == 0 ? kNothing : Repeat(of(node.a), 1, node.max);
    case Kind::kAnd:
    case Kind::kNot:
    case Kind::kSearch:
    case Kind::kRemainder:
      break;
  }
  return And(id, Repeat(Class(CharSet::All()), 1, kUnbounded));
}

// What a repeat still has to read after one of them.
RegexId RegexPool::OneLess(const Node& repeat) {
  return Repeat(repeat.a, repeat.min == 0 ? 0 : repeat.min - 1,
                repeat.max == kUnbounded ? kUnbounded : repeat.max - 1);
}

}  // namespace infe::grammar
