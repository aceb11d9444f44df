// Requests that want something other than an answer of the model: hidden and pooled rows.
#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

using model::Output;

EngineRequest Embed(std::vector<TokenId> text, Output output) {
  EngineRequest request = MakeRequest(std::move(text), 0);
  request.output = output;
  return request;
}

TEST(CoreOutput, HiddenAndPooledRowsStandBesideAnswersInOneBatch) {
  for (const FakeModelOptions& state : EveryState(40)) {
    SCOPED_TRACE(Describe(state));
    Bench bench(state);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    const auto text_of = [](uint32_t i) { return RandomTokens(i % 4, 3 + 50 * i); };
    for (uint32_t i = 0; i < 9; ++i) {
      const auto text = text_of(i);
      sinks.push_back(bench.Add(i % 3 == 0
                                    ? MakeRequest(text, 20, Sampled(i))
                                    : Embed(text, i % 3 == 1 ? Output::kHidden : Output::kPooled)));
    }
    bench.RunAll();
    for (uint32_t i = 0; i < 9; ++i) {
      const TokenEvent& last = sinks[i]->last;
      EXPECT_EQ(last.reason, FinishReason::kLength) << last.error.message;
      if (i % 3 == 0) {
        EXPECT_TRUE(last.hidden.empty());
        EXPECT_EQ(sinks[i]->tokens, SlowGenerate(bench.model, text_of(i), Sampled(i), 20).tokens);
        continue;
      }
      EXPECT_TRUE(sinks[i]->tokens.empty());
      const Output output = i % 3 == 1 ? Output::kHidden : Output::kPooled;
      EXPECT_EQ(last.hidden, bench.model.ExpectedHidden(text_of(i), output)) << i;
    }
    ExpectEmpty(*bench.core);
  }
}

// A causal row is the same behind a known prefix; a pooled text shares nothing either way.
TEST(CoreOutput, HiddenRowsUseThePrefixCacheAndPooledOnesDoNot) {
  Bench bench;
  const auto text = RandomTokens(1, 300);
  const auto run = [&](Output output) {
    const auto sink = bench.Add(Embed(text, output));
    bench.RunAll();
    EXPECT_EQ(sink->last.hidden, bench.model.ExpectedHidden(text, output));
    return sink->last.timings.cached_tokens;
  };
  EXPECT_EQ(run(Output::kPooled), 0u);
  EXPECT_EQ(run(Output::kHidden), 0u);
  EXPECT_GT(run(Output::kHidden), 250u);
  EXPECT_EQ(run(Output::kPooled), 0u);
}

// While others decode, too, and though the step's budget holds less.
TEST(CoreOutput, APooledTextIsComputedInOneStep) {
  EngineOptions options;
  options.step_budget_ms = 10;
  Bench bench({}, options);
  const auto stream = bench.Add(MakeRequest(RandomTokens(2, 20), 100, Sampled(2)));
  for (int i = 0; i < 20; ++i) bench.core->Step();
  const auto sink = bench.Add(Embed(RandomTokens(3, 400), Output::kPooled));
  for (int i = 0; i < 2; ++i) bench.core->Step();
  EXPECT_EQ(sink->finished, 1);
  bench.RunAll();
  EXPECT_EQ(stream->tokens, SlowGenerate(bench.model, RandomTokens(2, 20), Sampled(2), 100).tokens);
}

// An encoder keeps nothing between steps: there is no memory to run out of, only steps to fill.
TEST(CoreOutput, TextsOfAnEncoderShareStepsWithinTheBudget) {
  EngineOptions options;
  options.idle_step_budget_ms = options.step_budget_ms = 40;
  options.batch_sequences_max = 64;
  Bench bench({.encodes = true}, options);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  const auto text_of = [](uint32_t i) { return RandomTokens(i, 1 + i * 7 % 60); };
  double longest_ms = 0;
  uint32_t most = 0;
  const auto run = [&] {
    for (uint32_t i = 0; i < 50; ++i)
      sinks.push_back(bench.Add(Embed(text_of(i), Output::kPooled)));
    auto before = bench.model.now;
    bench.model.on_forward = [&](const model::Batch& batch) {
      longest_ms = std::max(
          longest_ms, std::chrono::duration<double, std::milli>(bench.model.now - before).count());
      most = std::max(most, static_cast<uint32_t>(batch.items.size()));
      before = bench.model.now;
    };
    bench.RunAll();
  };
  run();  // the cost of a step is learnt
  longest_ms = most = 0;
  run();
  for (uint32_t i = 0; i < 100; ++i)
    EXPECT_EQ(sinks[i]->last.hidden, bench.model.ExpectedHidden(text_of(i % 50), Output::kPooled));
  EXPECT_GT(most, 2u);
  EXPECT_LT(longest_ms, 48);
}

TEST(CoreOutput, WhatTheModelCannotGiveIsRefused) {
  const auto valid = [](const Bench& bench, EngineRequest request) {
    request.sink = std::make_shared<RecordingSink>();
    return bench.core->Validate(request).has_value();
  };
  Bench bench;
  EXPECT_TRUE(valid(bench, Embed(RandomTokens(1, 512), Output::kPooled)));
  EXPECT_FALSE(valid(bench, Embed(RandomTokens(1, 513), Output::kPooled)));
  EXPECT_TRUE(valid(bench, Embed(RandomTokens(1, 513), Output::kHidden)));
  EngineRequest answer = Embed(RandomTokens(1, 10), Output::kHidden);
  answer.max_tokens = 1;
  EXPECT_FALSE(valid(bench, std::move(answer)));
  EngineRequest logprobs = Embed(RandomTokens(1, 10), Output::kHidden);
  logprobs.prompt_logprobs = true;
  EXPECT_FALSE(valid(bench, std::move(logprobs)));
  const Bench plain({.embeds = false});
  EXPECT_FALSE(valid(plain, Embed(RandomTokens(1, 10), Output::kHidden)));
  EXPECT_TRUE(valid(plain, MakeRequest(RandomTokens(1, 10), 1)));
  const Bench encoder({.encodes = true});
  EXPECT_TRUE(valid(encoder, Embed(RandomTokens(1, 10), Output::kPooled)));
  EXPECT_FALSE(valid(encoder, Embed(RandomTokens(1, 10), Output::kHidden)));
  EXPECT_FALSE(valid(encoder, MakeRequest(RandomTokens(1, 10), 1)));
}

}  // namespace
}  // namespace infe::engine
