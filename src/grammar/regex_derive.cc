// Transitions, dead states and shortest matches: the asking half of RegexPool.
#include <algorithm>
#include <queue>
#include <unordered_set>

#include "base/utf8.h"
#include "grammar/limits.h"
#include "grammar/regex_pool.h"

namespace infe::grammar {

// Lays several sorted edge lists over each other. For every stretch of code points on which the set
// of edges does not change, the targets are joined: by OR, by AND (only where all have an edge),
// or, for the single input of a NOT, complemented (no edge = everything).
RegexPool::EdgeList RegexPool::Overlay(std::span<const EdgeList* const> inputs, Kind op) {
  struct Border {
    uint32_t at;
    bool opens;
    RegexId target;
  };
  std::vector<Border> borders;
  for (const EdgeList* list : inputs) {
    for (const RegexEdge& e : *list) {
      borders.push_back({e.lo, true, e.target});
      borders.push_back({e.hi + 1, false, e.target});
    }
  }
  if (!Spend(borders.size() / 2)) return {};
  std::sort(borders.begin(), borders.end(),
            [](const Border& x, const Border& y) { return x.at < y.at; });
  EdgeList result;
  std::vector<RegexId> active;
  const auto emit = [&](uint32_t lo, uint32_t hi) {
    RegexId target = kNothing;
    if (op == Kind::kOr) {
      if (active.empty()) return;
      target = active.size() == 1 ? active.front() : Or(active);
    } else if (op == Kind::kAnd) {
      if (active.size() != inputs.size()) return;
      target = And(active);
    } else {
      target = active.empty() ? kAnything : Not(active.front());
    }
    if (target == kNothing) return;
    if (!result.empty() && result.back().target == target && result.back().hi + 1 == lo) {
      result.back().hi = hi;
    } else {
      result.push_back({lo, hi, target});
    }
  };
  uint32_t at = 0;
  for (size_t i = 0; i < borders.size();) {
    if (borders[i].at > at) emit(at, borders[i].at - 1);
    if (!Spend(active.size() / 8)) return {};
    at = borders[i].at;
    for (; i < borders.size() && borders[i].at == at; ++i) {
      if (borders[i].opens) {
        active.push_back(borders[i].target);
      } else {
        active.erase(std::find(active.begin(), active.end(), borders[i].target));
      }
    }
  }
  if (op == Kind::kNot && at <= kCodePointMax) emit(at, kCodePointMax);
  return result;
}

RegexPool::EdgeList RegexPool::ComputeEdges(RegexId id) {
  const Node node = nodes_[id];
  switch (node.kind) {
    case Kind::kNothing:
    case Kind::kEmptyText:
      return {};
    case Kind::kClass: {
      EdgeList result;
      for (const CharRange& r : classes_[node.a].ranges())
        result.push_back({r.lo, r.hi, kEmptyText});
      return result;
    }
    case Kind::kConcat: {
      std::vector<EdgeList> parts;
      RegexId rest = id;
      while (true) {
        const Node at = nodes_[rest];
        if (at.kind != Kind::kConcat) {
          parts.push_back(KnownEdges(rest));
          break;
        }
        EdgeList part = KnownEdges(at.a);
        for (RegexEdge& e : part) e.target = Concat(e.target, at.b);
        parts.push_back(std::move(part));
        if (!nodes_[at.a].nullable) break;
        rest = at.b;
      }
      if (parts.size() == 1) return std::move(parts.front());
      std::vector<const EdgeList*> pointers;
      for (const EdgeList& part : parts) pointers.push_back(&part);
      return Overlay(pointers, Kind::kOr);
    }
    case Kind::kOr:
    case Kind::kAnd: {
      const std::vector<RegexId> children(List(node).begin(), List(node).end());
      std::vector<const EdgeList*> pointers;
      for (const RegexId child : children) pointers.push_back(&KnownEdges(child));
      return Overlay(pointers, node.kind);
    }
    case Kind::kNot: {
      const EdgeList* inner = &KnownEdges(node.a);
      return Overlay({&inner, 1}, Kind::kNot);
    }
    case Kind::kSearch:
      return SearchEdges(node);
    case Kind::kRemainder: {
      EdgeList result;
      if (node.b == kUnbounded)
        result.push_back({'.', '.', Remainder(node.min, node.max, node.a, node.max)});
      const bool exhausted = node.b == 0;  // further digits must be zeros and change nothing
      for (uint32_t d = 0; d <= (exhausted ? 0 : 9); ++d) {
        const uint32_t left = node.b == kUnbounded || exhausted ? node.b : node.b - 1;
        const uint64_t next = exhausted ? node.a : (uint64_t{node.a} * 10 + d) % node.min;
        result.push_back(
            {'0' + d, '0' + d, Remainder(node.min, node.max, static_cast<uint32_t>(next), left)});
      }
      return result;
    }
    case Kind::kRepeat: {
      EdgeList result = KnownEdges(node.a);
      const RegexId rest = OneLess(node);
      for (RegexEdge& e : result) e.target = Concat(e.target, rest);
      return result;
    }
  }
  return {};
}

// Most bytes lead back to the beginning of the search; those where a text ends lead out of it.
RegexPool::EdgeList RegexPool::SearchEdges(const Node& node) {
  const std::shared_ptr<const TextSearch> search = searches_[node.a];
  const auto steps = search->Steps(node.b);
  if (!Spend(steps.size())) return {};
  EdgeList result;
  const auto add = [&](uint32_t lo, uint32_t hi, RegexId target) {
    if (target != kNothing) result.push_back({lo, hi, target});
  };
  const RegexId start = Searching(node.a, TextSearch::kStart, node.min);
  uint32_t at = 0;
  for (const auto& [byte, state] : steps) {
    if (at < byte) add(at, byte - 1u, start);
    if (!search->Ends(state)) {
      add(byte, byte, Searching(node.a, state, node.min));
    } else if (search->EndsGroup(state, node.min)) {
      add(byte, byte, kEmptyText);
    }
    at = byte + 1u;
  }
  if (at <= TextSearch::kByteMax) add(at, TextSearch::kByteMax, start);
  return result;
}

void RegexPool::StoreEdges(RegexId id, EdgeList list) {
  Hold(sizeof list + list.size() * sizeof(RegexEdge) + 16);
  nodes_[id].edges = static_cast<int32_t>(edges_.size());
  edges_.push_back(std::move(list));
  pruned_.push_back(false);
}

// Parts before wholes, each once, without recursion.
const RegexPool::EdgeList& RegexPool::RawEdges(RegexId root) {
  if (nodes_[root].edges >= 0) return KnownEdges(root);
  std::vector<RegexId> open{root};
  while (!open.empty() && Spend(1)) {
    const RegexId id = open.back();
    const Node node = nodes_[id];
    const size_t before = open.size();
    const auto need = [&](RegexId part) {
      if (nodes_[part].edges < 0) open.push_back(part);
    };
    if (node.edges < 0) {
      switch (node.kind) {
        case Kind::kNothing:
        case Kind::kEmptyText:
        case Kind::kClass:
        case Kind::kSearch:
        case Kind::kRemainder:
          break;
        case Kind::kConcat: {
          RegexId rest = id;
          while (nodes_[rest].kind == Kind::kConcat) {
            const Node& at = nodes_[rest];
            need(at.a);
            rest = at.b;
            if (!nodes_[at.a].nullable) break;
            if (nodes_[rest].kind != Kind::kConcat) need(rest);
            if (!Spend(1)) break;
          }
          break;
        }
        case Kind::kOr:
        case Kind::kAnd:
          for (const RegexId part : List(node)) need(part);
          break;
        case Kind::kNot:
        case Kind::kRepeat:
          need(node.a);
          break;
      }
      if (overflowed()) break;
      if (open.size() > before) continue;
      EdgeList list = ComputeEdges(id);
      if (overflowed()) break;
      StoreEdges(id, std::move(list));
    }
    open.pop_back();
  }
  // The fuel ended; whoever asks again with more goes on from the parts that are known.
  static const EdgeList kNone;
  return nodes_[root].edges < 0 ? kNone : KnownEdges(root);
}

std::span<const RegexEdge> RegexPool::Edges(RegexId id) {
  const EdgeList& list = RawEdges(id);
  if (nodes_[id].edges < 0) return {};
  if (!nodes_[id].pure && !pruned_[static_cast<size_t>(nodes_[id].edges)]) Prune(id);
  return list;
}

void RegexPool::Prune(RegexId id) {
  const auto index = static_cast<size_t>(nodes_[id].edges);
  const EdgeList before = edges_[index];
  EdgeList after;
  if (!Spend(before.size())) return;
  for (const RegexEdge& e : before)
    if (IsLive(e.target)) after.push_back(e);
  if (overflowed()) return;
  edges_[index] = std::move(after);
  pruned_[index] = true;
}

// Breadth first until a state that surely matches something; what was searched in vain is dead.
bool RegexPool::IsLive(RegexId id) {
  if (nodes_[id].pure) return id != kNothing;
  if (nodes_[id].live != 0) return nodes_[id].live == 1;
  std::vector<RegexId> queue{id};
  std::vector<uint32_t> parent{0};
  std::unordered_set<RegexId> seen{id};
  for (size_t i = 0; i < queue.size(); ++i) {
    const RegexId at = queue[i];
    const Node& node = nodes_[at];
    if (node.nullable || node.live == 1 || (node.pure && at != kNothing)) {
      for (size_t k = i; k != 0; k = parent[k]) nodes_[queue[k]].live = 1;
      nodes_[id].live = 1;
      return true;
    }
    if (node.live == 2) continue;
    if (queue.size() > kEmptinessStatesMax) RunOut(Overflow::kEmptiness);
    const EdgeList& edges = RawEdges(at);
    // Alive is the answer that makes nobody drop anything.
    if (!Spend(2 + edges.size())) return true;
    for (const RegexEdge& e : edges) {
      if (seen.insert(e.target).second) {
        queue.push_back(e.target);
        parent.push_back(static_cast<uint32_t>(i));
      }
    }
  }
  for (const RegexId at : queue) nodes_[at].live = 2;
  return false;
}

RegexId RegexPool::Derive(RegexId id, uint32_t code_point) {
  const auto edges = Edges(id);
  const auto it = std::partition_point(edges.begin(), edges.end(),
                                       [&](const RegexEdge& e) { return e.hi < code_point; });
  return it != edges.end() && it->lo <= code_point ? it->target : kNothing;
}

uint32_t RegexPool::ShortestLength(RegexId id) {
  if (nodes_[id].pure) return nodes_[id].shortest;
  if (nodes_[id].nullable) return 0;
  if (nodes_[id].shortest != 0) return nodes_[id].shortest;
  if (nodes_[id].kind == Kind::kSearch && nodes_[id].live == 1) {
    const TextSearch& search = *searches_[nodes_[id].a];
    if (!Spend(4 * search.TextsOf(nodes_[id].min))) return UINT32_MAX;
    return nodes_[id].shortest = search.BytesTo(nodes_[id].b, nodes_[id].min);
  }
  // Dijkstra over states; a pure state ends a path with its known rest.
  using Entry = std::pair<uint32_t, RegexId>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  struct Reached {
    uint32_t distance = 0;
    RegexId from = kNothing;
  };
  std::unordered_map<RegexId, Reached> reached{{id, {0, id}}};
  queue.emplace(0, id);
  uint32_t best = UINT32_MAX;
  RegexId end = id;
  while (!queue.empty() && Spend(2)) {
    const auto [d, at] = queue.top();
    queue.pop();
    if (d >= best) break;
    if (reached[at].distance < d) continue;
    if (nodes_[at].nullable || nodes_[at].pure || nodes_[at].shortest != 0) {
      const uint32_t whole = d + (nodes_[at].nullable ? 0 : nodes_[at].shortest);
      if (whole < best) {
        best = whole;
        end = at;
      }
      continue;
    }
    if (reached.size() > kEmptinessStatesMax) break;
    const auto edges = Edges(at);
    if (!Spend(edges.size())) break;
    for (const RegexEdge& e : edges) {
      const auto [it, fresh] = reached.emplace(e.target, Reached{d + 1, at});
      if (!fresh && it->second.distance <= d + 1) continue;
      it->second = {d + 1, at};
      queue.emplace(d + 1, e.target);
    }
  }
  if (overflowed()) return best;
  if (best == UINT32_MAX) return nodes_[id].shortest = best;
  // What was found holds for every state on the way, so that a text of n characters is not searched
  // n times.
  for (RegexId at = end; at != id;) {
    at = reached[at].from;
    nodes_[at].shortest = best - reached[at].distance;
  }
  return best;
}

bool RegexPool::Enumerate(RegexId id, size_t most, std::vector<std::string>* texts) {
  texts->clear();
  struct Place {
    RegexId id;
    std::string text;
  };
  // Depth first in code point order. A loop in a live state means infinitely many texts: the work
  // is bounded by most texts times the longest, so a bound on steps ends it.
  std::vector<Place> stack{{id, ""}};
  size_t steps = 0;
  while (!stack.empty()) {
    const Place place = std::move(stack.back());
    stack.pop_back();
    if (++steps > most * 64 || place.text.size() > 4096) return false;
    if (!Spend(4 + place.text.size() / 8)) return false;
    if (nodes_[place.id].nullable) {
      if (texts->size() >= most) return false;
      texts->push_back(place.text);
    }
    const auto edges = Edges(place.id);
    size_t width = 0;
    for (const RegexEdge& e : edges) width += e.hi - e.lo + 1;
    if (width + texts->size() + stack.size() > most + 1) return false;
    const std::vector<RegexEdge> copy(edges.begin(), edges.end());
    for (size_t i = copy.size(); i-- > 0;) {
      for (uint32_t c = copy[i].hi + 1; c-- > copy[i].lo;) {
        std::string text = place.text;
        AppendUtf8(text, c);
        stack.push_back({copy[i].target, std::move(text)});
      }
    }
  }
  return true;
}

}  // namespace infe::grammar
