// For fuzz targets alone: a walk through a grammar's masks on the small vocabulary, in which no
// mask may be empty, none of its tokens refused, and none dearer than its bounds.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>
#include <vector>

#include "base/fuzz_cost.h"
#include "grammar/limits.h"
#include "grammar/test_vocab.h"

namespace infe::grammar {

// Compiling one grammar, with what is not counted by its fuel: the reading of the text, the
// allocator.
inline constexpr int kFuzzCompileMs = kCompileCpuMsMax + 200;
inline constexpr size_t kFuzzCompileMegabytes = 2 * (kCompileBytesMax >> 20);
// One mask or one token taken.
inline constexpr int kFuzzStepMs = kMatcherCpuMs + 100;
inline constexpr size_t kFuzzStepMegabytes = 2 * ((kMatcherBytesMax + kMatcherCallBytesMax) >> 20);

// cost: checked since the last Check, so call it with nothing outstanding.
inline void WalkMasks(const GrammarPtr& grammar, std::string_view input, size_t tokens_max,
                      FuzzCost& cost) {
  std::mt19937_64 random(input.size());
  const auto trie = TestTrie();
  auto matcher = NewMatcher(grammar, trie);
  cost.Check(kFuzzStepMs, kFuzzStepMegabytes);
  for (size_t count = 0; count < tokens_max; ++count) {
    const auto mask = count < tokens_max * 3 / 5 ? matcher->Mask() : matcher->MaskToFinish();
    cost.Check(kFuzzStepMs, kFuzzStepMegabytes);
    if (!mask) return;  // a limit ends the request, not the program
    std::vector<uint32_t> allowed;
    for (uint32_t t = 0; t < mask->vocab_size; ++t)
      if (mask->Allows(t)) allowed.push_back(t);
    if (allowed.empty()) {
      std::fprintf(stderr, "an empty mask before the end: %.*s\n", static_cast<int>(input.size()),
                   input.data());
      std::abort();
    }
    const uint32_t token = allowed[random() % allowed.size()];
    if (trie->IsEnd(token)) return;
    if (!matcher->Accept(token)) std::abort();
    cost.Check(kFuzzStepMs, kFuzzStepMegabytes);
  }
}

}  // namespace infe::grammar
