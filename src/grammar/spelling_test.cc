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
         {Spelling::kUtf8, Spelling::kJsonString, Spelling::kJsonCanonical, Spelling::kJsonInside,
          Spelling::kBytes}) {
      RegexPool pool;
      const auto content = CompilePattern(pool, pattern, PatternMode::kSearch);
      ASSERT_TRUE(content) << pattern;
      const Lexeme lexeme{.spelling = spelling, .content = *content, .tail = pool.Literal(": ")};
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

bool Writes(RegexPool& pool, const Lexeme& lexeme, std::string_view text) {
  Speller speller(&pool);
  SpellState at = speller.Start(lexeme);
  for (const char c : text) {
    SpellState next;
    if (!speller.Step(lexeme, at, static_cast<uint8_t>(c), &next)) return false;
    at = next;
  }
  return speller.Accepts(lexeme, at);
}

TEST(Speller, PlainCharactersOfAPatternAreNotEscaped) {
  RegexPool pool;
  const auto content = CompilePattern(pool, "^[0-9A-T:<\\u00e9\\\\\"\\n-]+$", PatternMode::kSearch);
  ASSERT_TRUE(content);
  const Lexeme lexeme{.spelling = Spelling::kJsonString, .content = *content};
  for (const char* text :
       {R"("2024-01-01T")", R"("2\"\\\u00e9")", R"("\u003c\n\u000a")", "\"\u00e9\""})
    EXPECT_TRUE(Writes(pool, lexeme, text)) << text;
  for (const char* text : {R"("\u0032024")", R"("2\u002d")", R"("\u0054")", R"("\u007e")"})
    EXPECT_FALSE(Writes(pool, lexeme, text)) << text;
  // No byte is allowed that leads nowhere: \u00 may go on to \u000a.
  Speller speller(&pool);
  SpellState at = speller.Start(lexeme);
  for (const char c : std::string_view("\"\\u00"))
    ASSERT_TRUE(speller.Step(lexeme, at, static_cast<uint8_t>(c), &at));
  std::string ways;
  for (const char c : std::string_view("0123456789abcdefABCDEF"))
    if (SpellState next; speller.Step(lexeme, at, static_cast<uint8_t>(c), &next)) ways += c;
  EXPECT_EQ(ways, "0235eE");
}

TEST(Speller, DigitsAloneHaveNoEscapeAtAll) {
  RegexPool pool;
  const auto content = CompilePattern(pool, "^[0-9]{4}$", PatternMode::kSearch);
  ASSERT_TRUE(content);
  const Lexeme lexeme{.spelling = Spelling::kJsonString, .content = *content};
  EXPECT_FALSE(Writes(pool, lexeme, R"("\u0031234")"));
  Speller speller(&pool);
  SpellState at = speller.Start(lexeme);
  ASSERT_TRUE(speller.Step(lexeme, at, '"', &at));
  EXPECT_FALSE(speller.Step(lexeme, at, '\\', &at));
}

// Where distances are no longer known, the nearest edge may lead back to where it begins, for ever.
TEST(Speller, AWayToTheEndIsGivenUpWithThePool) {
  for (uint64_t steps = 1; steps < 4000; steps += 37) {
    Fuel fuel({.steps = steps});
    RegexPool pool;
    const auto content = CompilePattern(pool, "^(?=[ab]*b[ab]{9}1?$)[ab]*$", PatternMode::kSearch);
    ASSERT_TRUE(content);
    const Lexeme lexeme{.spelling = Spelling::kJsonString, .content = *content};
    pool.SetFuel(&fuel);
    Speller speller(&pool);
    const std::string text = speller.Finish(lexeme, speller.Start(lexeme), 0);
    EXPECT_LT(text.size(), 40u) << steps;
    EXPECT_LT(fuel.steps(), steps + 10'000) << steps;
  }
}

}  // namespace
}  // namespace infe::grammar
