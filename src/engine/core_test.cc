// The engine's core against texts made without it, and its books after every kind of ending.
#include "engine/core.h"

#include <gtest/gtest.h>

#include "engine/test_support.h"

namespace infe::engine {
namespace {

TEST(Core, TextOfOneRequestIsThatOfThePlainLoop) {
  for (const FakeModelOptions& state : EveryState(40)) {
    SCOPED_TRACE(Describe(state));
    Bench bench(state);
    const auto prompt = RandomTokens(1, 70);
    const auto sink = bench.Add(MakeRequest(prompt, 150, Sampled(5)));
    bench.RunAll();
    const SlowText expected = SlowGenerate(bench.model, prompt, Sampled(5), 150);
    EXPECT_EQ(sink->tokens, expected.tokens);
    EXPECT_EQ(sink->finished, 1);
    EXPECT_EQ(sink->last.reason, FinishReason::kLength);
    EXPECT_EQ(sink->last.completion_tokens, 150u);
    ExpectEmpty(*bench.core);
  }
}

TEST(Core, EndTokenEndsAndIsCountedButNotReported) {
  Bench bench;
  EngineRequest request = MakeRequest(RandomTokens(2, 10), 500, Sampled(6));
  request.end_tokens = {3, 17, 40};
  const SlowText expected =
      SlowGenerate(bench.model, request.prompt, request.sampling, 500, {3, 17, 40});
  ASSERT_EQ(expected.reason, FinishReason::kStop);
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  EXPECT_EQ(sink->tokens, expected.tokens);
  EXPECT_EQ(sink->last.reason, FinishReason::kStop);
  EXPECT_EQ(sink->last.completion_tokens, expected.tokens.size() + 1);
}

TEST(Core, IgnoreEosNeverEnds) {
  Bench bench;
  SamplingParams params = Sampled(6);
  params.ignore_eos = true;
  EngineRequest request = MakeRequest(RandomTokens(2, 10), 300, params);
  request.end_tokens = {17, 3};
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  EXPECT_EQ(sink->last.reason, FinishReason::kLength);
  EXPECT_EQ(sink->tokens.size(), 300u);
  EXPECT_EQ(std::count(sink->tokens.begin(), sink->tokens.end(), 17u), 0);
}

TEST(Core, ContextEndsWithLength) {
  Bench bench({.context_length = 64});
  const auto sink = bench.Add(MakeRequest(RandomTokens(3, 50), 500));
  bench.RunAll();
  EXPECT_EQ(sink->last.reason, FinishReason::kLength);
  EXPECT_EQ(sink->tokens.size(), 14u);
}

TEST(Core, NoEndIsSampledBeforeMinTokens) {
  for (const bool speculation : {false, true}) {
    Bench bench({}, {.speculation = speculation});
    EngineRequest request = MakeRequest(RandomTokens(2, 10), 500, Sampled(6));
    request.end_tokens = {3, 17, 40};
    request.late_tokens = {8, 17};
    request.min_tokens = 120;
    const auto sink = bench.Add(std::move(request));
    bench.RunAll();
    ASSERT_GE(sink->tokens.size(), 120u);
    const auto early = std::span(sink->tokens).first(120);
    for (const TokenId token : {3u, 8u, 17u, 40u})
      EXPECT_EQ(std::ranges::count(early, token), 0) << token;
    EXPECT_EQ(sink->last.reason, FinishReason::kStop);
  }
}

TEST(Core, AGrammarThatIsAtItsEndEndsWhateverMinTokensSays) {
  Bench bench;
  EngineRequest request = MakeRequest(RandomTokens(2, 10), 50, Sampled(6));
  request.matcher = std::make_unique<FakeMatcher>(FakeMatcher::Options{.letters = false});
  request.end_tokens = {FakeMatcher::kEnd};
  request.min_tokens = 50;
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  EXPECT_EQ(sink->finished, 1);
  EXPECT_NE(sink->last.reason, FinishReason::kError) << sink->last.error.message;
}

// After so many tokens of the model's own come these, then its own again.
class ScriptedGuide : public TokenGuide {
 public:
  ScriptedGuide(size_t after, std::vector<TokenId> script)
      : after_(after), script_(std::move(script)) {}
  std::optional<TokenId> Next() const override {
    if (taken_ < after_ || taken_ - after_ >= script_.size()) return std::nullopt;
    return script_[taken_ - after_];
  }
  void Take(TokenId) override { ++taken_; }

 private:
  const size_t after_;
  const std::vector<TokenId> script_;
  size_t taken_ = 0;
};

std::vector<TokenId> Guided(const FakeModelOptions& state, bool speculation, uint32_t beside) {
  Bench bench(state, {.speculation = speculation});
  for (uint32_t i = 0; i < beside; ++i)
    bench.Add(MakeRequest(RandomTokens(i + 50, 40), 100, Sampled(i)));
  EngineRequest request = MakeRequest(RandomTokens(1, 70), 60, Sampled(5));
  request.guide = std::make_unique<ScriptedGuide>(7, std::vector<TokenId>{8, 8, 9});
  request.sampling.logprobs = true;
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  for (size_t i = 0; i < sink->sampled.size(); ++i) EXPECT_LT(sink->sampled[i].logprob, 0);
  return sink->tokens;
}

TEST(Core, WhatAGuideSaysComesNextWhateverRunsBeside) {
  for (const FakeModelOptions& state : EveryState(40)) {
    SCOPED_TRACE(Describe(state));
    const std::vector<TokenId> alone = Guided(state, false, 0);
    ASSERT_EQ(alone.size(), 60u);
    EXPECT_EQ(std::vector(alone.begin() + 7, alone.begin() + 10), (std::vector<TokenId>{8, 8, 9}));
    EXPECT_EQ(Guided(state, true, 0), alone);
    EXPECT_EQ(Guided(state, true, 5), alone);
    // Before it speaks the text is the model's own; behind it, what follows from all of it.
    const FakeModel model(state);
    auto history = RandomTokens(1, 70);
    EXPECT_EQ(SlowGenerate(model, history, Sampled(5), 7).tokens,
              std::vector(alone.begin(), alone.begin() + 7));
    history.insert(history.end(), alone.begin(), alone.begin() + 10);
    EXPECT_EQ(SlowGenerate(model, history, Sampled(5), 50).tokens,
              std::vector(alone.begin() + 10, alone.end()));
  }
}

struct Job {
  std::vector<TokenId> prompt;
  SamplingParams params;
  uint32_t max_tokens;
};

// Prompts that share beginnings of all lengths, so that every way of reuse happens.
std::vector<Job> ManyJobs(uint32_t count, uint64_t seed) {
  std::vector<Job> jobs;
  for (uint32_t i = 0; i < count; ++i) {
    Job job;
    job.prompt = RandomTokens(seed + i % 3, 1 + static_cast<uint32_t>(UniformAt(seed, 1, i) * 300));
    const auto tail = RandomTokens(seed + 100 + i, 1 + i % 50);
    job.prompt.insert(job.prompt.end(), tail.begin(), tail.end());
    job.params = Sampled(seed * 1000 + i);
    if (i % 4 == 1) job.params.temperature = 0;
    if (i % 4 == 2) job.params.top_p = 0.7f;
    if (i % 5 == 3) job.params.frequency_penalty = 0.5f;
    if (i % 7 == 3) job.params.repetition_penalty = 1.3f;
    job.max_tokens = 1 + static_cast<uint32_t>(UniformAt(seed, 2, i) * 80);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

struct Setting {
  const char* name;
  EngineOptions options;
  FakeModelOptions state;
};

// Batching, chunking, memory shortage, prefix reuse and speculation change time, never text.
TEST(Core, TextIsTheSameInEverySetting) {
  const auto jobs = ManyJobs(40, 11);
  EngineOptions plain;
  plain.context_max = 1024;
  std::vector<Setting> settings;
  const auto add = [&](const char* name, auto change, FakeModelOptions state, uint32_t rows_max) {
    EngineOptions options = plain;
    change(options);
    state.batch_rows_max = rows_max;
    settings.push_back({name, options, state});
  };
  std::vector<FakeModelOptions> states;
  for (const uint32_t window : {33u, 64u, 100u}) {
    const auto some = EveryState(window);
    states.insert(states.end(), some.begin() + (window == 33 ? 0 : 2), some.end());
  }
  for (const FakeModelOptions& state : states) {
    add("default", [](EngineOptions&) {}, state, 512);
    add("one at a time", [](EngineOptions& o) { o.batch_sequences_max = 1; }, state, 512);
    add(
        "small chunks",
        [](EngineOptions& o) {
          o.step_budget_ms = 1;
          o.idle_step_budget_ms = 9;
        },
        state, 40);
    add("no cache", [](EngineOptions& o) { o.prefix_cache = false; }, state, 512);
    add("no speculation", [](EngineOptions& o) { o.speculation = false; }, state, 512);
    // 1024 positions are 32 blocks of 256 bytes: room for one whole sequence and a little.
    const size_t little = (36 + BlocksBeside(state, 24)) * 256;
    add("little memory", [&](EngineOptions& o) { o.kv_memory_bytes = little; }, state, 64);
    add(
        "little memory, no cache",
        [&](EngineOptions& o) {
          o.kv_memory_bytes = little;
          o.prefix_cache = false;
        },
        state, 64);
  }
  for (const Setting& setting : settings) {
    SCOPED_TRACE(testing::Message() << setting.name << ", " << Describe(setting.state));
    Bench bench(setting.state, setting.options);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (size_t i = 0; i < jobs.size(); ++i) {
      sinks.push_back(bench.Add(MakeRequest(jobs[i].prompt, jobs[i].max_tokens, jobs[i].params)));
      if (i % 3 == 0) bench.core->Step();
    }
    bench.RunAll();
    for (size_t i = 0; i < jobs.size(); ++i) {
      const SlowText expected =
          SlowGenerate(bench.model, jobs[i].prompt, jobs[i].params, jobs[i].max_tokens);
      ASSERT_EQ(sinks[i]->tokens, expected.tokens) << "job " << i;
      ASSERT_EQ(sinks[i]->finished, 1);
      ASSERT_EQ(sinks[i]->last.reason, FinishReason::kLength);
    }
    ExpectEmpty(*bench.core);
    const std::string name = setting.name;
    const EngineStats stats = bench.core->stats();
    EXPECT_EQ(stats.cached_tokens > 0, !name.ends_with("no cache"));
  }
}

TEST(Core, SamplingOnAllWorkersChangesNothing) {
  ThreadPool pool(3);
  std::vector<std::vector<SampledToken>> plain;
  for (const int run : {0, 1, 2}) {  // plain, with drafts, with drafts and workers
    EngineOptions options;
    options.context_max = 512;
    options.pool = run == 2 ? &pool : nullptr;
    Bench bench({.vocabulary = 20000, .step_us = 5000, .row_us = 10}, options);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint32_t i = 0; i < 12; ++i) {
      SamplingParams params = Sampled(i);
      params.temperature = i % 3 == 0 ? 0 : 0.1f * static_cast<float>(i);
      params.logprobs = i % 4 == 1;
      params.top_logprobs = 3;
      params.frequency_penalty = i % 5 == 2 ? 0.5f : 0;
      EngineRequest request = MakeRequest(RandomTokens(i % 2, 40, 20000), 60, params);
      for (uint32_t k = 0; run > 0 && k < 60; ++k) {  // every seventh wrong
        request.prediction.push_back(k % 7 == 5 ? 1 : plain[i][k].token);
      }
      sinks.push_back(bench.Add(std::move(request)));
    }
    bench.RunAll();
    EXPECT_EQ(bench.core->stats().drafted > 50, run > 0);
    for (uint32_t i = 0; i < 12; ++i) {
      ASSERT_EQ(sinks[i]->sampled.size(), 60u);
      if (run == 0) {
        plain.push_back(sinks[i]->sampled);
        continue;
      }
      for (size_t k = 0; k < 60; ++k) {
        ASSERT_EQ(plain[i][k].token, sinks[i]->sampled[k].token) << i;
        ASSERT_EQ(plain[i][k].logprob, sinks[i]->sampled[k].logprob);
        ASSERT_EQ(plain[i][k].top.size(), sinks[i]->sampled[k].top.size());
      }
    }
  }
}

}  // namespace
}  // namespace infe::engine
