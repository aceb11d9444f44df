#include "tokenizer/merge.h"

#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace infe::tokenizer {
namespace {

// The definition, word for word: as long as some pair has a rule, merge the leftmost of best rank.
template <typename Pair>
std::vector<TokenId> SlowMerge(std::vector<Symbol> symbols, const Pair& pair) {
  while (true) {
    size_t best = symbols.size();
    MergeStep best_step;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const MergeStep step = pair(symbols[i], symbols[i + 1]);
      if (step.rank < best_step.rank) {
        best = i;
        best_step = step;
      }
    }
    if (best == symbols.size()) break;
    symbols[best] = {symbols[best].begin, symbols[best + 1].end, best_step.token};
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
  std::vector<TokenId> tokens;
  for (const Symbol& symbol : symbols) tokens.push_back(symbol.token);
  return tokens;
}

std::vector<TokenId> Tokens(const MergeScratch& scratch) {
  std::vector<TokenId> tokens;
  for (const Symbol& symbol : scratch.symbols) tokens.push_back(symbol.token);
  return tokens;
}

// Random rules over few letters, also with equal ranks and with products that rank above their
// parts.
TEST(Merge, ScanAndHeapAgreeWithTheDefinition) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    std::map<std::pair<TokenId, TokenId>, MergeStep> rules;
    const uint32_t letters = 1 + random() % 3;
    for (TokenId product = letters; product < letters + 12; ++product)
      rules.insert({{random() % product, random() % product},
                    {static_cast<uint32_t>(random() % 8), product}});
    const auto pair = [&](const Symbol& left, const Symbol& right) {
      const auto it = rules.find({left.token, right.token});
      return it == rules.end() ? MergeStep{} : it->second;
    };
    MergeScratch scratch;
    std::vector<Symbol> symbols(random() % 120);
    for (uint32_t i = 0; i < symbols.size(); ++i)
      symbols[i] = {i, i + 1, static_cast<TokenId>(random() % letters)};
    const std::vector<TokenId> wanted = SlowMerge(symbols, pair);
    scratch.symbols = symbols;
    MergeByScan(scratch, pair);
    EXPECT_EQ(Tokens(scratch), wanted);
    scratch.symbols = symbols;
    MergeByHeap(scratch, pair);
    EXPECT_EQ(Tokens(scratch), wanted);
  }
}

TEST(KeyHeap, GivesKeysInOrder) {
  std::mt19937_64 random(2);
  KeyHeap heap;
  std::vector<uint64_t> wanted, got;
  for (int i = 0; i < 1000; ++i) {
    wanted.push_back(random() % 500);
    heap.Append(wanted.back());
  }
  heap.Order();
  for (int i = 0; i < 1000; ++i) {
    wanted.push_back(random() % 500);
    heap.Push(wanted.back());
  }
  std::sort(wanted.begin(), wanted.end());
  while (!heap.empty()) got.push_back(heap.Pop());
  EXPECT_EQ(got, wanted);
}

}  // namespace
}  // namespace infe::tokenizer
