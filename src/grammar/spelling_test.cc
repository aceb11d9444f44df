#include "grammar/spelling.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "grammar/ecma_regex.h"

namespace infe::grammar {
namespace {

// Walks at random through lexemes of every spelling; in each place the bytes said to be the same
// are stepped one by one.
TEST(Speller, BytesSaidToBeTheSameStepToTheSamePlace) {
  std::mt19937_64 random(3);
  size_t joined = 0;
  for (const char* pattern :
       {"^[a-z\\u00e9]*x?$", "^(?!cat)[^b-f]{0,40}$", "^.*(\\u20ac|\\u{1F600})$",
        "^[\\u0080-\\u{10FFFF}]*$", "^(abc|[\\s\\S]{3,})$"}) {
    for (const Spelling spelling :
         {Spelling::kUtf8, Spelling::kJsonString, Spelling::kJsonCanonical, Spelling::kBytes}) {
      RegexPool pool;
      const auto content = CompilePattern(pool, pattern, PatternMode::kSearch);
      ASSERT_TRUE(content) << pattern;
      const Lexeme lexeme{.spelling = spelling, .content = *content};
      Speller speller(&pool);
      for (int walk = 0; walk < 40; ++walk) {
        SpellState at = speller.Start(lexeme);
        for (int length = 0; length < 12; ++length) {
          std::vector<SpellState> next(256);
          std::vector<bool> alive(256);
          for (int b = 0; b < 256; ++b)
            alive[static_cast<size_t>(b)] =
                speller.Step(lexeme, at, static_cast<uint8_t>(b), &next[static_cast<size_t>(b)]);
          std::vector<uint8_t> ways;
          for (size_t b = 0; b < 256; ++b) {
            if (alive[b]) ways.push_back(static_cast<uint8_t>(b));
            const auto [first, last] = speller.SameBytes(lexeme, at, static_cast<uint8_t>(b));
            ASSERT_LE(first, b);
            ASSERT_GE(last, b);
            joined += last - first;
            for (size_t other = first; other <= last; ++other) {
              ASSERT_EQ(alive[other], alive[b]) << pattern << " byte " << b << " and " << other;
              ASSERT_TRUE(!alive[b] || next[other] == next[b]) << pattern << " byte " << b;
            }
          }
          if (ways.empty()) break;
          const uint8_t taken = ways[random() % ways.size()];
          at = next[taken];
        }
      }
    }
  }
  EXPECT_GT(joined, 100'000u);  // it is of use
}

}  // namespace
}  // namespace infe::grammar
