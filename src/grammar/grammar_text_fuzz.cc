// Any bytes as a pattern, a GBNF or a Lark grammar: compiling never crashes and stays within its
// bounds, and what compiles never leads into a dead end or to a mask beyond its bounds.
#include <string_view>

#include "grammar/fuzz_walk.h"

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
  infe::FuzzCost cost("a grammar", input);
  const auto grammar = compile();
  cost.Check(kFuzzCompileMs, kFuzzCompileMegabytes);
  if (grammar) WalkMasks(*grammar, input, 40, cost);
  return 0;
}
