#include "answer/grammar_cache.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "grammar/matcher.h"

namespace infe::answer {
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
    return cache.FindOrCompile(pattern, {}, [&] {
      ++compiled;
      return grammar::CompileRegex(pattern);
    });
  };
  const auto first = get("a+");
  ASSERT_TRUE(first);
  EXPECT_EQ(*get("a+"), *first);
  EXPECT_FALSE(get("(a"));
  EXPECT_FALSE(get("(a"));
  EXPECT_EQ(compiled, 2) << "a refusal is kept";
  uint64_t observed = 0;
  for (size_t i = 0; i < cache.compile_seconds().limit_labels().size(); ++i)
    observed += cache.compile_seconds().bucket(i);
  EXPECT_EQ(observed, 2u);
}

TEST(GrammarCache, WhatWasGivenUpIsNoRefusalAndIsCompiledAgain) {
  GrammarCache cache(8, 64 << 20);
  const auto given_up = [] {
    return Result<grammar::GrammarPtr>(Error{ErrorCode::kCancelled, "gone", {}});
  };
  EXPECT_FALSE(cache.FindOrCompile("a+", {}, given_up));
  EXPECT_TRUE(cache.FindOrCompile("a+", {}, [] { return grammar::CompileRegex("a+"); }));
}

TEST(GrammarCache, WhatIsAskedForAtOnceIsCompiledOnce) {
  GrammarCache cache(8, 64 << 20);
  std::atomic<int> compiled{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      const auto made = cache.FindOrCompile("a+", {}, [&] {
        compiled += 1;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));  // so that the others come
        return grammar::CompileRegex("a+");
      });
      EXPECT_TRUE(made);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(compiled, 1);
}

TEST(GrammarCache, ACompilationGivenUpIsTakenOverByWhoWaitedForIt) {
  GrammarCache cache(8, 64 << 20);
  std::atomic<bool> begun{false}, leave{false};
  std::thread first([&] {
    EXPECT_FALSE(cache.FindOrCompile("a+", {}, [&] {
      begun = true;
      while (!leave) std::this_thread::yield();
      return Result<grammar::GrammarPtr>(Error{ErrorCode::kCancelled, "gone", {}});
    }));
  });
  while (!begun) std::this_thread::yield();
  // One that is cancelled itself does not wait; nor does one without time.
  const std::atomic<bool> cancelled{true};
  const auto never = [] { return grammar::CompileRegex("b"); };
  EXPECT_EQ(cache.FindOrCompile("a+", {.cancelled = &cancelled}, never).error().code,
            ErrorCode::kCancelled);
  EXPECT_EQ(cache.FindOrCompile("a+", {.deadline = Fuel::Clock::now()}, never).error().code,
            ErrorCode::kDeadlineExceeded);
  std::thread second([&] {
    EXPECT_TRUE(cache.FindOrCompile("a+", {}, [] { return grammar::CompileRegex("a+"); }));
  });
  leave = true;
  first.join();
  second.join();
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
}  // namespace infe::answer
