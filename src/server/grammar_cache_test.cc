#include "server/grammar_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "grammar/matcher.h"

namespace infe::server {
namespace {

grammar::GrammarPtr Regex(const std::string& pattern) {
  auto compiled = grammar::CompileRegex(pattern);
  EXPECT_TRUE(compiled) << pattern;
  return compiled ? *compiled : nullptr;
}

TEST(GrammarCache, WhatWasUsedLongestAgoLeavesFirst) {
  GrammarCache cache(2, 64 << 20);
  cache.Add("a", Regex("a+"));
  cache.Add("b", Regex("b+"));
  EXPECT_NE(cache.Find("a"), nullptr);
  cache.Add("c", Regex("c+"));
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_NE(cache.Find("a"), nullptr);
  EXPECT_NE(cache.Find("c"), nullptr);
  EXPECT_EQ(cache.size(), 2u);
}

TEST(GrammarCache, CompilesOnceAndTellsHowLongItTook) {
  GrammarCache cache(8, 64 << 20);
  int compiled = 0;
  const auto get = [&](const char* pattern) {
    return cache.FindOrCompile(pattern, [&] {
      ++compiled;
      return grammar::CompileRegex(pattern);
    });
  };
  const auto first = get("a+");
  ASSERT_TRUE(first);
  EXPECT_EQ(*get("a+"), *first);
  EXPECT_FALSE(get("(a"));
  EXPECT_FALSE(get("(a"));
  EXPECT_EQ(compiled, 3) << "a failure is not kept";
  uint64_t observed = 0;
  for (size_t i = 0; i < cache.compile_seconds().limit_labels().size(); ++i)
    observed += cache.compile_seconds().bucket(i);
  EXPECT_EQ(observed, 3u);
}

// What a running request still holds is memory too, also when its grammar has left the cache.
TEST(GrammarCache, AGrammarThatLeftCountsWhileSomebodyUsesIt) {
  const auto held = Regex("(abc|abd|xyz){1,40}");
  GrammarCache cache(512, 3 * held->bytes());
  cache.Add("held", held);
  for (int i = 0; i < 8; ++i) cache.Add(fmt::format("{}", i), Regex("(abc|abd|xyz){1,40}"));
  EXPECT_EQ(cache.Find("held"), nullptr);
  EXPECT_LE(cache.size(), 2u);
}

TEST(GrammarCache, MemoryIsBounded) {
  const auto one = Regex("(abc|abd|xyz){1,40}");
  ASSERT_GT(one->bytes(), 500u);
  GrammarCache cache(512, 4 * one->bytes());
  for (int i = 0; i < 100; ++i) cache.Add(fmt::format("{}", i), Regex("(abc|abd|xyz){1,40}"));
  EXPECT_GE(cache.size(), 2u);
  EXPECT_LE(cache.size(), 4u);
  EXPECT_NE(cache.Find("99"), nullptr);
  EXPECT_EQ(cache.Find("0"), nullptr);
}

TEST(GrammarCache, WhatIsTooLargeAltogetherIsNotKept) {
  GrammarCache cache(8, 1);
  cache.Add("a", Regex("a+"));
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(GrammarCache, WhatIsInUseOutlivesItsEntry) {
  GrammarCache cache(1, 64 << 20);
  cache.Add("a", Regex("a+"));
  const auto held = cache.Find("a");
  cache.Add("b", Regex("b+"));
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_GT(held->bytes(), 0u);
}

}  // namespace
}  // namespace infe::server
