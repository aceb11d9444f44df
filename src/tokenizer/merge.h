// The merge loop that both kinds of BPE share: of all neighbouring pairs the one with the lowest
// rank merges first, the leftmost of equals, until no pair can. Short pieces scan a small array;
// long ones use a heap over a linked list, O(n log n), so that one endless word costs no more than
// prose.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
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

// Memory reused from piece to piece. One thread.
struct MergeScratch {
  struct Candidate {
    uint64_t key;  // rank, then index of the left symbol: the order of merging
    uint32_t end;  // of the right symbol: tells whether the pair is still as it was
    TokenId token;
    bool operator>(const Candidate& other) const { return key > other.key; }
  };
  std::vector<Symbol> symbols;
  std::vector<MergeStep> steps;
  std::vector<Candidate> heap;
  std::vector<uint32_t> next;
  std::vector<uint32_t> previous;
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

// A symbol that was merged into its left neighbour is left empty (begin == end). A candidate is
// stale if its left symbol is empty or the pair's end has moved: symbols only grow, so begin and
// end of the pair tell both.
template <typename Pair>
void MergeByHeap(MergeScratch& scratch, const Pair& pair) {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<MergeScratch::Candidate>& heap = scratch.heap;
  const auto count = static_cast<uint32_t>(symbols.size());
  scratch.next.resize(count);
  scratch.previous.resize(count);
  heap.clear();
  const auto candidate = [&](uint32_t left, uint32_t right, MergeStep step) {
    return MergeScratch::Candidate{uint64_t{step.rank} << 32 | left, symbols[right].end,
                                   step.token};
  };
  for (uint32_t i = 0; i < count; ++i) {
    scratch.next[i] = i + 1;
    scratch.previous[i] = i - 1;  // of the first: past the end, as of the last's next
    if (i + 1 == count) break;
    if (const MergeStep step = pair(symbols[i], symbols[i + 1]); step.rank != kNoRank)
      heap.push_back(candidate(i, i + 1, step));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto push = [&](uint32_t left, uint32_t right) {
    const MergeStep step = pair(symbols[left], symbols[right]);
    if (step.rank == kNoRank) return;
    heap.push_back(candidate(left, right, step));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const MergeScratch::Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    const auto left = static_cast<uint32_t>(best.key);
    const uint32_t right = scratch.next[left];
    if (symbols[left].begin == symbols[left].end || right >= count) continue;
    if (symbols[right].end != best.end) continue;
    symbols[left].end = symbols[right].end;
    symbols[left].token = best.token;
    symbols[right].begin = symbols[right].end;
    const uint32_t after = scratch.next[right];
    scratch.next[left] = after;
    if (after < count) {
      scratch.previous[after] = left;
      push(left, after);
    }
    if (scratch.previous[left] < count) push(scratch.previous[left], left);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.begin == symbol.end; });
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
