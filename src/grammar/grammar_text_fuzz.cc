// Any bytes as a pattern, a GBNF or a Lark grammar: compiling never crashes, and what compiles
// never leads into a dead end.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

#include "grammar/test_vocab.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace infe::grammar;  // NOLINT: a program of one file
  if (size == 0 || size > 2048) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto compile = [&] {
    switch (data[0] % 3) {
      case 0:
        return CompileRegex(input);
      case 1:
        return CompileGbnf(input);
      default:
        return CompileLark(input);
    }
  };
  const auto grammar = compile();
  if (!grammar) return 0;
  std::mt19937_64 random(size);
  const auto trie = TestTrie();
  auto matcher = NewMatcher(*grammar, trie);
  for (size_t count = 0; count < 40; ++count) {
    const auto mask = count < 24 ? matcher->Mask() : matcher->MaskToFinish();
    if (!mask) return 0;
    std::vector<uint32_t> allowed;
    for (uint32_t t = 0; t < mask->vocab_size; ++t)
      if (mask->Allows(t)) allowed.push_back(t);
    if (allowed.empty()) {
      std::fprintf(stderr, "an empty mask before the end: %.*s\n", static_cast<int>(input.size()),
                   input.data());
      std::abort();
    }
    const uint32_t token = allowed[random() % allowed.size()];
    if (trie->IsEnd(token)) return 0;
    if (!matcher->Accept(token)) std::abort();
  }
  return 0;
}
