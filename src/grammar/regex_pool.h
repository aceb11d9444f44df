// Regular expressions over code points as a pool of hash-consed nodes, with AND, NOT and counted
// repeats as they are: a derivative of a{3,9} is a{2,8}, nothing is unrolled. Equal languages built
// the same way get the same id, so the ids serve as states of a lazy automaton: Edges() gives a
// state's transitions over ranges of code points.
//
// Brzozowski 1964; Owens, Reppy, Turon 2009. One thread at a time. A pool is copied with its
// grammar when a matcher starts, because running adds nodes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fuel.h"
#include "grammar/char_set.h"
#include "grammar/text_search.h"

namespace infe::grammar {

using RegexId = uint32_t;
inline constexpr RegexId kNothing = 0;    // matches no text at all
inline constexpr RegexId kEmptyText = 1;  // matches the empty text only
inline constexpr RegexId kAnything = 2;   // matches every text
inline constexpr uint32_t kUnbounded = UINT32_MAX;

struct RegexEdge {
  uint32_t lo = 0;
  uint32_t hi = 0;  // inclusive
  RegexId target = kNothing;
};

class RegexPool {
 public:
  RegexPool();

  // Everything below spends this fuel from now on; null: unbounded by steps. Borrowed until the
  // next call; a copy of the pool borrows the same, so whoever copies one sets its own. Once it is
  // empty answers may be wrong, and none is remembered: with fresh fuel the pool goes on.
  void SetFuel(Fuel* fuel) {
    fuel_ = fuel;
    if (overflow_ == Overflow::kFuel) overflow_ = Overflow::kNone;
  }
  Fuel* fuel() const { return fuel_; }

  // -- Making. Arguments are ids of this pool.
  RegexId Class(const CharSet& set);
  RegexId Char(uint32_t code_point) { return Class(CharSet::Of(code_point)); }
  RegexId Literal(std::string_view utf8);
  RegexId LiteralBytes(std::string_view bytes);  // each byte a code point of its own
  // Any of the texts, as a tree over common beginnings: n texts are one state, not n.
  RegexId Literals(std::vector<std::string> utf8);
  RegexId Concat(RegexId a, RegexId b);
  RegexId Concat(std::span<const RegexId> parts);
  RegexId Concat(std::initializer_list<RegexId> parts) {
    return Concat(std::span(parts.begin(), parts.size()));
  }
  RegexId Or(std::vector<RegexId> parts);
  RegexId Or(RegexId a, RegexId b) { return Or(std::vector<RegexId>{a, b}); }
  RegexId And(std::vector<RegexId> parts);
  RegexId And(RegexId a, RegexId b) { return And(std::vector<RegexId>{a, b}); }
  RegexId Not(RegexId a);
  RegexId Repeat(RegexId a, uint32_t min, uint32_t max);
  RegexId Star(RegexId a) { return Repeat(a, 0, kUnbounded); }
  RegexId Optional(RegexId a) { return Repeat(a, 0, 1); }
  RegexId NonEmpty(RegexId a);  // the same language without the empty text
  // Digits, with or without a point and more digits, whose value is a multiple of divisor/10^scale.
  // The automaton of remainders, one node each, made as far as it is visited. divisor below 2^30.
  RegexId Multiple(uint32_t divisor, uint32_t scale) {
    return Remainder(divisor, scale, 0, kUnbounded);
  }
  // Texts of bytes without FF, looked through for many texts at once: one node for each beginning
  // that is visited.
  using SearchId = uint32_t;
  SearchId AddSearch(TextSearch search);
  // Ends with a text of the group; none of the search's texts ends before.
  RegexId UpTo(SearchId search, uint32_t group);
  // None of the search's texts is in it.
  RegexId Without(SearchId search) {
    return Searching(search, TextSearch::kStart, TextSearch::kNoGroup);
  }

  // -- Asking.
  bool Nullable(RegexId id) const { return nodes_[id].nullable; }
  // Transitions on Unicode, sorted, disjoint, none to a dead state. Valid until the next call that
  // makes nodes.
  std::span<const RegexEdge> Edges(RegexId id);
  RegexId Derive(RegexId id, uint32_t code_point);  // kNothing when there is no edge
  bool IsEmpty(RegexId id) { return !IsLive(id); }
  // Code points of the shortest match; an upper bound when the search is cut by its limit.
  uint32_t ShortestLength(RegexId id);
  // If the language is all texts of min..max characters of one class: that class and window.
  bool IsClassWindow(RegexId id, RegexId* character, uint32_t* min, uint32_t* max) const;
  // The texts of a finite language of at most `most` texts, in order; false when there are more.
  bool Enumerate(RegexId id, size_t most, std::vector<std::string>* texts);

  size_t size() const { return nodes_.size(); }
  // Memory that it holds, an estimate that grows with every node, list and edge.
  size_t bytes() const { return bytes_; }
  // What ended the pool, if something has: answers since then may be wrong (they are kNothing, so
  // that the work winds up), and whoever compiles or runs with this pool has to give up. For good,
  // the fuel aside.
  enum class Overflow : uint8_t {
    kNone,
    kFuel,       // the fuel of that moment
    kNodes,      // kRegexNodesMax
    kEmptiness,  // kEmptinessStatesMax, in the search whether one state is dead
  };
  Overflow overflow() const { return overflow_; }
  bool overflowed() const { return overflow_ != Overflow::kNone; }

 private:
  enum class Kind : uint8_t {
    kNothing,
    kEmptyText,
    kClass,
    kConcat,
    kOr,
    kAnd,
    kNot,
    kRepeat,
    kSearch,     // a = search, b = its state, min = the group to end with (kNoGroup: with none)
    kRemainder,  // a = remainder, b = digits left behind the point (kUnbounded: before it),
                 // min = divisor, max = scale
  };
  struct Node {
    Kind kind = Kind::kNothing;
    bool nullable = false;
    bool pure = true;  // no AND, no NOT inside: alive unless it is kNothing
    uint8_t live = 0;  // for the others: 0 not known, 1 alive, 2 dead
    uint32_t a = 0;    // first child, or index of the class
    uint32_t b = 0;    // second child
    uint32_t min = 0;
    uint32_t max = 0;
    uint32_t list_begin = 0;  // children of Or and And
    uint32_t list_size = 0;
    uint32_t shortest = 0;  // of pure nodes: exact; of others: 0 until it is asked for
    int32_t edges = -1;     // index into edges_, -1 not computed
  };
  using EdgeList = std::vector<RegexEdge>;

  RegexId Intern(Node node, std::span<const RegexId> list);
  RegexId Remainder(uint32_t divisor, uint32_t scale, uint32_t remainder, uint32_t left);
  RegexId Searching(SearchId search, uint32_t state, uint32_t group);
  EdgeList SearchEdges(const Node& search);
  RegexId LiteralTree(std::span<const std::u32string> sorted);
  std::span<const RegexId> List(const Node& node) const {
    return {lists_.data() + node.list_begin, node.list_size};
  }
  template <typename Of>
  RegexId MakeNonEmpty(RegexId id, const Of& of);
  RegexId OneLess(const Node& repeat);
  const EdgeList& RawEdges(RegexId id);
  EdgeList ComputeEdges(RegexId id);
  void StoreEdges(RegexId id, EdgeList list);
  const EdgeList& KnownEdges(RegexId id) const {
    return edges_[static_cast<size_t>(nodes_[id].edges)];
  }
  EdgeList Overlay(std::span<const EdgeList* const> inputs, Kind op);
  bool IsLive(RegexId id);
  void Prune(RegexId id);
  // Take steps, and count memory that will be held. False once the pool is used up.
  bool Spend(uint64_t steps);
  bool Hold(size_t bytes);
  void RunOut(Overflow why) {
    if (overflow_ == Overflow::kNone) overflow_ = why;
  }

  std::vector<Node> nodes_;
  std::vector<RegexId> lists_;
  std::vector<CharSet> classes_;
  // Never changed: shared by the copies of a pool, of which every matcher makes one.
  std::vector<std::shared_ptr<const TextSearch>> searches_;
  std::deque<EdgeList> edges_;  // a deque: lists stay in place while others are made
  std::vector<bool> pruned_;    // by index into edges_
  std::unordered_multimap<uint64_t, RegexId> known_;
  Fuel* fuel_ = nullptr;
  size_t bytes_ = 0;
  Overflow overflow_ = Overflow::kNone;
};

}  // namespace infe::grammar
