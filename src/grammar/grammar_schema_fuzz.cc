// Any bytes as a schema: compiling never crashes and stays within its bounds, and what compiles
// never leads into a dead end or to a mask beyond its bounds. A few random texts are drawn from the
// masks; each must end, and be JSON.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

#include "grammar/fuzz_walk.h"

namespace {

using namespace infe;           // NOLINT: a program of one file
using namespace infe::grammar;  // NOLINT

[[noreturn]] void Fail(const char* what, std::string_view schema, const std::string& text) {
  std::fprintf(stderr, "%s\nschema: %.*s\ntext: %s\n", what, static_cast<int>(schema.size()),
               schema.data(), text.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto schema = ParseJson(input);
  if (!schema) return 0;
  SchemaOptions options;
  options.strictness = (data[0] & 1) != 0 ? Strictness::kStrict : Strictness::kNamed;
  options.key_order = (data[0] & 2) != 0 ? KeyOrder::kAny : KeyOrder::kDeclared;
  options.whitespace = (data[0] & 4) != 0 ? Whitespace::kCompact : Whitespace::kBounded;
  FuzzCost cost("a schema", input);
  const auto grammar = CompileJsonSchema(*schema, options);
  cost.Check(kFuzzCompileMs, kFuzzCompileMegabytes);
  if (!grammar) return 0;
  std::mt19937_64 random(size);
  for (int round = 0; round < 3; ++round) {
    const auto trie = TestTrie();
    auto matcher = NewMatcher(*grammar, trie);
    std::string text;
    const size_t limit = 24;
    for (size_t count = 0;; ++count) {
      const auto mask = count < limit ? matcher->Mask() : matcher->MaskToFinish();
      cost.Check(kFuzzStepMs, kFuzzStepMegabytes);
      if (!mask) break;  // a limit ends the request, not the program
      std::vector<uint32_t> allowed;
      for (uint32_t t = 0; t < mask->vocab_size; ++t)
        if (mask->Allows(t)) allowed.push_back(t);
      if (allowed.empty()) Fail("an empty mask before the end", input, text);
      const uint32_t token = allowed[random() % allowed.size()];
      if (trie->IsEnd(token)) {
        if (!ParseJson(text, {.depth = 1000})) Fail("a complete text that is no JSON", input, text);
        break;
      }
      if (!matcher->Accept(token)) Fail("a token of the mask is refused", input, text);
      text += trie->Bytes(token);
      if (count > limit + 2000) break;  // a long way to the end is no dead end
    }
  }
  return 0;
}
