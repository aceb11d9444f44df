// The prefix cache as requests see it: what is computed once, what is not, and for whom.
#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

EngineOptions Small() {
  EngineOptions options;
  options.context_max = 2048;
  options.speculation = false;
  return options;
}

TEST(CorePrefix, SecondRequestComputesOnlyTheLastToken) {
  for (const uint32_t size : {33u, 64u, 65u, 101u, 320u}) {
    Bench bench({}, Small());
    const auto prompt = RandomTokens(size, size);
    const auto first = bench.Add(MakeRequest(prompt, 40, Sampled(1)));
    bench.RunAll();
    const auto second = bench.Add(MakeRequest(prompt, 40, Sampled(2)));
    bench.RunAll();
    EXPECT_EQ(first->last.timings.cached_tokens, 0u);
    EXPECT_EQ(first->last.timings.prefill_tokens, size);
    // Whole blocks, and the beginning of the next one by copying it: with 40 tokens of output even
    // the block in which the prompt ends is known.
    EXPECT_EQ(second->last.timings.cached_tokens, size - 1);
    EXPECT_EQ(second->last.timings.prefill_tokens, 1u);
    EXPECT_EQ(second->tokens, SlowGenerate(bench.model, prompt, Sampled(2), 40).tokens);
  }
}

TEST(CorePrefix, NextTurnOfAChatReusesPromptAndAnswer) {
  for (const FakeModelOptions& state : EveryState(70)) {
    SCOPED_TRACE(Describe(state));
    Bench bench(state, Small());
    auto history = RandomTokens(1, 75);
    for (uint32_t turn = 0; turn < 5; ++turn) {
      const auto sink = bench.Add(MakeRequest(history, 37, Sampled(turn)));
      bench.RunAll();
      EXPECT_EQ(sink->tokens, SlowGenerate(bench.model, history, Sampled(turn), 37).tokens);
      if (turn > 0) {
        EXPECT_LE(sink->last.timings.prefill_tokens, 9u + 32u);
      }
      history.insert(history.end(), sink->tokens.begin(), sink->tokens.end());
      const auto user = RandomTokens(100 + turn, 9);
      history.insert(history.end(), user.begin(), user.end());
    }
  }
}

TEST(CorePrefix, SimultaneousRequestsComputeTheSharedPrefixOnce) {
  for (const FakeModelOptions& state : EveryState(70)) {
    SCOPED_TRACE(Describe(state));
    Bench bench(state, Small());
    const auto prefix = RandomTokens(1, 800);
    std::vector<std::vector<TokenId>> prompts;
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint32_t i = 0; i < 8; ++i) {
      prompts.push_back(prefix);
      const auto tail = RandomTokens(50 + i, 20 + i);
      prompts.back().insert(prompts.back().end(), tail.begin(), tail.end());
      sinks.push_back(bench.Add(MakeRequest(prompts.back(), 10, Sampled(i))));
    }
    bench.RunAll();
    uint32_t computed = 0;
    for (uint32_t i = 0; i < 8; ++i) {
      EXPECT_EQ(sinks[i]->tokens, SlowGenerate(bench.model, prompts[i], Sampled(i), 10).tokens);
      computed += sinks[i]->last.timings.prefill_tokens;
      EXPECT_EQ(sinks[i]->last.timings.prefill_tokens + sinks[i]->last.timings.cached_tokens,
                prompts[i].size());
    }
    EXPECT_EQ(computed, 800u + 8 * 20 + 28);
    ExpectEmpty(*bench.core);
  }
}

// As chats do that begin with the same system prompt: the first block is known in part already.
TEST(CorePrefix, AKnownBeginningDoesNotKeepSimultaneousRequestsFromSharing) {
  for (const uint32_t begun : {7u, 31u, 45u}) {
    Bench bench({}, Small());
    auto prefix = RandomTokens(1, 800);
    auto earlier = prefix;
    earlier.resize(begun);
    const auto rest = RandomTokens(7, 100);
    earlier.insert(earlier.end(), rest.begin(), rest.end());
    bench.Add(MakeRequest(earlier, 10, Sampled(9)));
    bench.RunAll();
    std::vector<std::vector<TokenId>> prompts;
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint32_t i = 0; i < 8; ++i) {
      prompts.push_back(prefix);
      const auto tail = RandomTokens(50 + i, 20);
      prompts.back().insert(prompts.back().end(), tail.begin(), tail.end());
      sinks.push_back(bench.Add(MakeRequest(prompts.back(), 10, Sampled(i))));
    }
    bench.RunAll();
    uint32_t computed = 0;
    for (uint32_t i = 0; i < 8; ++i) {
      EXPECT_EQ(sinks[i]->tokens, SlowGenerate(bench.model, prompts[i], Sampled(i), 10).tokens);
      computed += sinks[i]->last.timings.prefill_tokens;
      EXPECT_EQ(sinks[i]->last.timings.prefill_tokens + sinks[i]->last.timings.cached_tokens,
                prompts[i].size());
    }
    // The prefix but for what was known, once, and the tails.
    EXPECT_LE(computed, 800u - begun + 8 * 20);
    ExpectEmpty(*bench.core);
  }
}

TEST(CorePrefix, FollowerGoesOnWhenTheLeaderIsCancelled) {
  for (const FakeModelOptions& state : EveryState(70)) {
    SCOPED_TRACE(Describe(state));
    Bench bench(state, Small());
    const auto prompt = RandomTokens(1, 1500);
    EngineRequest leader = MakeRequest(prompt, 10, Sampled(1));
    leader.id = 1;
    const auto first = bench.Add(std::move(leader));
    const auto second = bench.Add(MakeRequest(prompt, 10, Sampled(2)));
    bench.core->Step();
    bench.core->Step();
    EXPECT_EQ(first->finished, 0);
    bench.core->Cancel(1);
    bench.RunAll();
    EXPECT_EQ(second->tokens, SlowGenerate(bench.model, prompt, Sampled(2), 10).tokens);
    EXPECT_GT(second->last.timings.cached_tokens, 0u);
    EXPECT_LT(second->last.timings.prefill_tokens, 1500u);
  }
}

TEST(CorePrefix, SaltsDoNotShare) {
  Bench bench({}, Small());
  const auto prompt = RandomTokens(1, 200);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (const char* salt : {"a", "b", "a", ""}) {
    EngineRequest request = MakeRequest(prompt, 5, Sampled(1));
    request.cache_salt = salt;
    sinks.push_back(bench.Add(std::move(request)));
    bench.RunAll();
  }
  EXPECT_EQ(sinks[0]->last.timings.cached_tokens, 0u);
  EXPECT_EQ(sinks[1]->last.timings.cached_tokens, 0u);
  EXPECT_GT(sinks[2]->last.timings.cached_tokens, 180u);
  EXPECT_EQ(sinks[3]->last.timings.cached_tokens, 0u);
}

TEST(CorePrefix, ChoicesOfOnePromptShareIt) {
  for (const FakeModelOptions& state : EveryState(70)) {
    SCOPED_TRACE(Describe(state));
    Bench bench(state, Small());
    const auto prompt = RandomTokens(1, 500);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint32_t choice = 0; choice < 4; ++choice) {
      SamplingParams params = Sampled(3);
      params.choice = choice;
      sinks.push_back(bench.Add(MakeRequest(prompt, 30, params)));
    }
    bench.RunAll();
    EXPECT_LT(bench.model.rows_in_all, 500u + 4 * (30 + 32));
    EXPECT_NE(sinks[0]->tokens, sinks[1]->tokens);
    SamplingParams params = Sampled(3);
    params.choice = 2;
    EXPECT_EQ(sinks[2]->tokens, SlowGenerate(bench.model, prompt, params, 30).tokens);
  }
}

TEST(CorePrefix, LeastRecentlyUsedPrefixGoesFirst) {
  EngineOptions options = Small();
  options.context_max = 640;
  options.kv_memory_bytes = 25 * 256;  // 20 blocks of a context, and 5
  Bench bench({}, options);
  const auto run = [&](uint64_t seed) {
    const auto sink = bench.Add(MakeRequest(RandomTokens(seed, 300), 2, Sampled(1)));
    bench.RunAll();
    return sink->last.timings.cached_tokens;
  };
  EXPECT_EQ(run(1), 0u);
  EXPECT_EQ(run(2), 0u);
  EXPECT_GT(run(1), 250u);  // both fit
  EXPECT_EQ(run(3), 0u);    // takes the place of 2
  EXPECT_GT(run(1), 250u);
  EXPECT_LT(run(2), 250u);
}

// A hit in a windowed model ends where the window is no longer whole, and never changes the text.
TEST(CorePrefix, WindowedLayersAreReusedWhereTheirWindowIsWhole) {
  EngineOptions options = Small();
  Bench bench({.window = 64}, options);
  auto prompt = RandomTokens(1, 640);
  bench.Add(MakeRequest(prompt, 2, Sampled(1)));
  bench.RunAll();
  // Branches from the middle and from the end of the first prompt.
  for (const uint32_t shared : {639u, 320u, 100u}) {
    auto branch = prompt;
    branch.resize(shared);
    const auto tail = RandomTokens(shared, 40);
    branch.insert(branch.end(), tail.begin(), tail.end());
    const auto sink = bench.Add(MakeRequest(branch, 20, Sampled(2)));
    bench.RunAll();
    EXPECT_EQ(sink->tokens, SlowGenerate(bench.model, branch, Sampled(2), 20).tokens) << shared;
  }
}

TEST(CorePrefix, WindowedBlocksAreGivenUpAsTheWindowPasses) {
  EngineOptions options = Small();
  options.prefix_cache = false;
  Bench bench({.window = 64}, options);
  bench.Add(MakeRequest(RandomTokens(1, 10), 1500));
  for (int i = 0; i < 1200; ++i) bench.core->Step();
  // 1210 positions: 38 global blocks and the window's 3 or 4.
  EXPECT_LE(bench.core->stats().kv_blocks_used, 38u + 4u);
}

TEST(CorePrefix, RandomBranchesUnderMemoryPressureKeepTheirText) {
  std::vector<FakeModelOptions> states = EveryState(45, {.batch_rows_max = 128});
  for (const bool running : {false, true})
    states.push_back({.window = 64, .running = running, .batch_rows_max = 128});
  for (const FakeModelOptions& state : states) {
    SCOPED_TRACE(Describe(state));
    EngineOptions options = Small();
    options.context_max = 512;
    options.kv_memory_bytes = (45 + BlocksBeside(state, 25)) * 256;
    Bench bench(state, options);
    std::vector<std::vector<TokenId>> prompts;
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    std::vector<std::vector<TokenId>> pool = {RandomTokens(1, 150)};
    for (uint32_t i = 0; i < 150; ++i) {
      auto prompt = pool[static_cast<size_t>(UniformAt(1, 1, i) * pool.size())];
      prompt.resize(1 + static_cast<size_t>(UniformAt(1, 2, i) * prompt.size()));
      const auto tail = RandomTokens(1000 + i, 1 + static_cast<uint32_t>(UniformAt(1, 3, i) * 90));
      prompt.insert(prompt.end(), tail.begin(), tail.end());
      if (prompt.size() > 400) prompt.resize(400);
      pool.push_back(prompt);
      prompts.push_back(prompt);
      sinks.push_back(bench.Add(MakeRequest(prompt, 1 + i % 40, Sampled(i))));
      for (uint32_t s = 0; s < i % 5; ++s) bench.core->Step();
    }
    bench.RunAll();
    for (uint32_t i = 0; i < prompts.size(); ++i) {
      ASSERT_EQ(sinks[i]->tokens,
                SlowGenerate(bench.model, prompts[i], Sampled(i), 1 + i % 40).tokens)
          << i;
    }
    EXPECT_GT(bench.core->stats().cached_tokens, 1000u);
    ExpectEmpty(*bench.core);
  }
}

}  // namespace
}  // namespace infe::engine
