// The merge loop that both kinds of BPE share: of all neighbouring pairs the one with the lowest
// rank merges first, the leftmost of equals, until no pair can. Short pieces scan a small array;
// long ones use a heap over a linked list, O(n log n), so that one endless word costs no more than
// prose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/token_id.h"

namespace infe::tokenizer {

constexpr TokenId kNoToken = 0xFFFFFFFF;
constexpr uint32_t kNoRank = 0xFFFFFFFF;

struct Symbol {
  uint32_t begin = 0;  // byte range in the piece
  uint32_t end = 0;
  TokenId token = kNoToken;  // kNoToken: the vocabulary has no token for it
};

// What a pair becomes: rank kNoRank if nothing.
struct MergeStep {
  uint32_t rank = kNoRank;
  TokenId token = kNoToken;
};

// A min-heap of 64-bit keys with eight children to a node: a node's children are one cache line,
// and a million keys are seven levels deep.
class KeyHeap {
 public:
  void Clear() { keys_.clear(); }
  bool empty() const { return keys_.empty(); }
  void Append(uint64_t key) { keys_.push_back(key); }  // to be followed by Order
  void Order();
  void Push(uint64_t key);
  uint64_t Pop();  // REQUIRES: not empty

 private:
  static constexpr size_t kChildren = 8;
  // Sinks key from a hole at the given place.
  void Sink(size_t hole, uint64_t key);
  std::vector<uint64_t> keys_;
};

// Memory reused from piece to piece. One thread.
struct MergeScratch {
  // A symbol in the linked list, with what its pair with the next one becomes.
  struct Node {
    Symbol symbol;
    uint32_t next;
    uint32_t previous;
    MergeStep step;
  };
  std::vector<Symbol> symbols;  // in and out
  std::vector<MergeStep> steps;
  std::vector<Node> nodes;
  KeyHeap heap;
};

// Past this many symbols the heap is used.
constexpr size_t kScanSymbolsMax = 40;

// pair(left, right) gives the MergeStep of two neighbours. Works on scratch.symbols in place.
template <typename Pair>
void MergeByScan(MergeScratch& scratch, const Pair& pair) {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<MergeStep>& steps = scratch.steps;
  steps.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) steps.push_back(pair(symbols[i], symbols[i + 1]));
  while (!steps.empty()) {
    size_t best = 0;
    for (size_t i = 1; i < steps.size(); ++i)
      if (steps[i].rank < steps[best].rank) best = i;
    if (steps[best].rank == kNoRank) return;
    symbols[best].end = symbols[best + 1].end;
    symbols[best].token = steps[best].token;
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
    steps.erase(steps.begin() + static_cast<ptrdiff_t>(best));
    if (best < steps.size()) steps[best] = pair(symbols[best], symbols[best + 1]);
    if (best > 0) steps[best - 1] = pair(symbols[best - 1], symbols[best]);
  }
}

// The same with a heap of (rank, place) keys. A key is stale if the pair at its place no longer has
// that rank. Fewer than 2^32 symbols.
template <typename Pair>
void MergeByHeap(MergeScratch& scratch, const Pair& pair) {
  std::vector<MergeScratch::Node>& nodes = scratch.nodes;
  const auto count = static_cast<uint32_t>(scratch.symbols.size());
  constexpr uint32_t kEnd = 0xFFFFFFFF;
  const auto key = [](const MergeStep& step, uint32_t at) {
    return uint64_t{step.rank} << 32 | at;
  };
  nodes.clear();
  scratch.heap.Clear();
  for (uint32_t i = 0; i < count; ++i) {
    const bool is_last = i + 1 == count;
    nodes.push_back({scratch.symbols[i], is_last ? kEnd : i + 1, i == 0 ? kEnd : i - 1, {}});
    if (is_last) break;
    nodes[i].step = pair(scratch.symbols[i], scratch.symbols[i + 1]);
    if (nodes[i].step.rank != kNoRank) scratch.heap.Append(key(nodes[i].step, i));
  }
  scratch.heap.Order();
  const auto renew = [&](uint32_t left) {
    MergeScratch::Node& node = nodes[left];
    node.step = node.next == kEnd ? MergeStep{} : pair(node.symbol, nodes[node.next].symbol);
    if (node.step.rank != kNoRank) scratch.heap.Push(key(node.step, left));
  };
  while (!scratch.heap.empty()) {
    const uint64_t best = scratch.heap.Pop();
    const auto left = static_cast<uint32_t>(best);
    MergeScratch::Node& node = nodes[left];
    if (node.step.rank != best >> 32) continue;
    MergeScratch::Node& right = nodes[node.next];
    node.symbol = {node.symbol.begin, right.symbol.end, node.step.token};
    node.next = right.next;
    right.step = {};
    if (node.next != kEnd) nodes[node.next].previous = left;
    renew(left);
    if (node.previous != kEnd) renew(node.previous);
  }
  scratch.symbols.clear();
  for (uint32_t i = 0; i != kEnd && i < count; i = nodes[i].next)
    scratch.symbols.push_back(nodes[i].symbol);
}

template <typename Pair>
void MergeAll(MergeScratch& scratch, const Pair& pair) {
  if (scratch.symbols.size() <= kScanSymbolsMax) {
    MergeByScan(scratch, pair);
  } else {
    MergeByHeap(scratch, pair);
  }
}

}  // namespace infe::tokenizer
