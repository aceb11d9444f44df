// Drafts: the index against a slow search, the plan's economy, and the text that never changes.
#include "engine/speculation.h"

#include <map>

#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

TEST(NgramIndex, FindsTheLatestOccurrenceLikeASlowSearch) {
  const auto text = RandomTokens(3, 3000, 6);
  NgramIndex index;
  uint32_t hits = 0;
  for (uint32_t size = 1; size <= text.size(); size += 1 + size % 3) {
    const std::span<const TokenId> now(text.data(), size);
    index.Extend(now);
    uint32_t latest = 0;
    for (uint32_t p = NgramIndex::kNgram; p < size; ++p) {
      if (std::equal(now.end() - NgramIndex::kNgram, now.end(),
                     now.begin() + p - NgramIndex::kNgram))
        latest = p;
    }
    if (size < NgramIndex::kNgram) latest = 0;
    const auto match = index.Find(now, now);
    ASSERT_EQ(match.length > 0, latest > 0) << size;
    if (latest == 0) continue;
    ++hits;
    ASSERT_EQ(match.position, latest);
    uint32_t length = 0;
    while (length < NgramIndex::kLengthMax && length < latest &&
           now[latest - 1 - length] == now[size - 1 - length]) {
      ++length;
    }
    ASSERT_EQ(match.length, length);
  }
  EXPECT_GT(hits, 500u);
}

StepCost Learnt(double step_ms, double row_ms) {
  StepCost cost;
  for (int round = 0; round < 30; ++round) {
    for (const uint32_t rows : {1u, 2u, 3u, 4u, 6u, 8u, 12u, 16u, 24u, 32u, 64u}) {
      cost.Observe({.rows = rows, .attended = rows * 100.0, .logits_rows = rows},
                   step_ms + row_ms * rows);
    }
  }
  return cost;
}

TEST(PlanDrafts, DraftsWhereRowsAreCheapAndNotWhereTheyAreDear) {
  const DraftProposal good{.acceptance = 0.9, .length = 16, .position = 100};
  const DraftProposal bad{.acceptance = 0.05, .length = 16, .position = 100};
  const StepShape one{.rows = 1, .attended = 100, .logits_rows = 1};
  const auto cheap = Learnt(4, 0.3);
  EXPECT_GE(PlanDrafts(std::vector{good}, one, cheap, 64)[0], 6u);
  EXPECT_EQ(PlanDrafts(std::vector{bad}, one, cheap, 64)[0], 0u);
  const auto dear = Learnt(0.01, 4);  // a row costs as much as a step: nothing to win
  EXPECT_EQ(PlanDrafts(std::vector{good}, one, dear, 64)[0], 0u);
  EXPECT_EQ(PlanDrafts(std::vector{good}, one, StepCost(), 64)[0], 0u);  // nothing known yet
}

TEST(PlanDrafts, DraftsShrinkAsTheBatchGrows) {
  const auto cost = Learnt(4, 0.5);
  uint32_t before = 100;
  for (const uint32_t batch : {1u, 4u, 16u, 32u}) {
    const std::vector<DraftProposal> proposals(batch,
                                               {.acceptance = 0.7, .length = 16, .position = 100});
    const auto lengths = PlanDrafts(
        proposals, {.rows = batch, .attended = batch * 100.0, .logits_rows = batch}, cost, 1000);
    EXPECT_LE(lengths[0], before);
    before = lengths[0];
  }
  EXPECT_EQ(before, 0u);
}

// order 2: the next token depends on the last two, so greedy text soon repeats itself.
FakeModelOptions Repetitive() {
  return {.vocabulary = 20, .order = 2, .step_us = 4000, .row_us = 200};
}

TEST(CoreSpeculation, TextIsTheSameAndStepsAreFewerOnRepetition) {
  for (const bool running : {false, true}) {
    FakeModelOptions state = Repetitive();
    state.running = running;
    SCOPED_TRACE(Describe(state));
    uint64_t steps[2];
    for (const bool speculation : {false, true}) {
      EngineOptions options;
      options.speculation = speculation;
      Bench bench(state, options);
      SamplingParams greedy;
      greedy.temperature = 0;
      const auto sink = bench.Add(MakeRequest(RandomTokens(1, 40, 20), 400, greedy));
      bench.RunAll();
      EXPECT_EQ(sink->tokens,
                SlowGenerate(bench.model, RandomTokens(1, 40, 20), greedy, 400).tokens);
      steps[speculation] = bench.core->stats().steps;
      EXPECT_EQ(sink->last.timings.accepted_tokens > 0, speculation);
    }
    EXPECT_LT(steps[1], steps[0] / 3);
  }
}

TEST(CoreSpeculation, SampledTextAndLogprobsAreTheSame) {
  for (const bool running : {false, true}) {
    std::vector<SampledToken> before;
    FakeModelOptions state = Repetitive();
    state.running = running;
    for (const bool speculation : {false, true}) {
      EngineOptions options;
      options.speculation = speculation;
      Bench bench(state, options);
      SamplingParams params = Sampled(4);
      params.temperature = 0.3f;
      params.frequency_penalty = 0.01f;
      params.logprobs = true;
      params.top_logprobs = 4;
      const auto sink = bench.Add(MakeRequest(RandomTokens(1, 40, 20), 300, params));
      bench.RunAll();
      if (!speculation) {
        before = sink->sampled;
        continue;
      }
      EXPECT_GT(bench.core->stats().accepted, 20u);
      EXPECT_GT(bench.core->stats().drafted, bench.core->stats().accepted);
      ASSERT_EQ(sink->sampled.size(), before.size());
      for (size_t i = 0; i < before.size(); ++i) {
        ASSERT_EQ(sink->sampled[i].token, before[i].token);
        ASSERT_EQ(sink->sampled[i].logprob, before[i].logprob);
        for (size_t k = 0; k < 4; ++k)
          ASSERT_EQ(sink->sampled[i].top[k].token, before[i].top[k].token);
      }
    }
  }
}

// Kernels take rows in groups: the ninth may cost as much as four more, and then it is no bargain
// however likely the draft.
TEST(PlanDrafts, SeesTheStepBetweenTwoNumbersOfRows) {
  const auto real = [](uint32_t rows) { return rows <= 8 ? 5.0 : 8.0; };
  StepCost cost;
  for (int i = 0; i < 60; ++i) {
    for (const uint32_t rows : {4u, 6u, 8u, 9u, 10u, 12u, 16u, 64u})
      cost.Observe({.rows = rows, .attended = rows * 100.0, .logits_rows = rows},
                   rows == 64 ? 32 : real(rows));
  }
  const std::vector<DraftProposal> likely(8, {.acceptance = 0.9, .length = 1, .position = 100});
  const StepShape eight{.rows = 8, .attended = 800, .logits_rows = 8};
  for (const uint32_t length : PlanDrafts(likely, eight, cost, 1000)) EXPECT_EQ(length, 0u);
  const StepShape six{.rows = 6, .attended = 600, .logits_rows = 6};
  uint32_t drafted = 0;
  for (const uint32_t length : PlanDrafts(likely, six, cost, 1000)) drafted += length;
  EXPECT_EQ(drafted, 2u);  // up to the edge and no further
}

TEST(PlanDrafts, CountsWhatMasksCost) {
  StepCost cost;
  for (int i = 0; i < 60; ++i) {
    for (const uint32_t rows : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 64u})
      cost.Observe({.rows = rows, .attended = rows * 100.0, .logits_rows = rows}, 4 + 0.1 * rows);
  }
  const StepShape one{.rows = 1, .attended = 100, .logits_rows = 1};
  std::vector<DraftProposal> draft(1, {.acceptance = 0.8, .length = 4, .position = 100});
  EXPECT_EQ(PlanDrafts(draft, one, cost, 1000)[0], 4u);
  draft[0].token_ms = 5;
  EXPECT_EQ(PlanDrafts(draft, one, cost, 1000)[0], 0u);
}

// A wrong draft costs a running state what was right before it: likely drafts are made all the
// same, doubtful ones are not.
TEST(PlanDrafts, CountsWhatARunningStateComputesAgain) {
  const auto cost = Learnt(4, 1);
  const StepShape one{.rows = 1, .attended = 100, .logits_rows = 1};
  const auto length = [&](double acceptance, uint32_t redone_rows) {
    const DraftProposal draft{
        .acceptance = acceptance, .length = 7, .position = 100, .redone_rows = redone_rows};
    return PlanDrafts(std::vector{draft}, one, cost, 64)[0];
  };
  uint32_t shorter = 0;
  for (const double acceptance : {0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99}) {
    EXPECT_LE(length(acceptance, 1), length(acceptance, 0)) << acceptance;
    shorter += length(acceptance, 1) < length(acceptance, 0) ? 1 : 0;
  }
  EXPECT_GE(shorter, 2u);
  EXPECT_GT(length(0.99, 1), 3u);
}

// What is computed again is computed once: no draft stands behind it, so that steps go on.
TEST(CoreSpeculation, ARunningStateNeverComputesATokenAgainMoreThanOnce) {
  FakeModelOptions state = Repetitive();
  state.running = true;
  Bench bench(state);
  std::map<uint32_t, int> times;
  uint32_t before = 0;
  bool drafted_wrongly = false;
  bench.model.on_forward = [&](const model::Batch& batch) {
    ASSERT_EQ(batch.items.size(), 1u);
    const model::BatchItem& item = batch.items[0];
    const bool again = item.position == before && before > 0;
    drafted_wrongly = drafted_wrongly || again;
    EXPECT_LE(++times[item.position], 2);
    EXPECT_LE(item.tokens.size(), item.position == 0 ? 64u : 32u);
    before = item.position;
  };
  SamplingParams params = Sampled(4);
  params.temperature = 0.3f;
  const auto sink = bench.Add(MakeRequest(RandomTokens(1, 40, 20), 300, params));
  bench.RunAll();
  EXPECT_TRUE(drafted_wrongly);
  EXPECT_EQ(sink->tokens, SlowGenerate(bench.model, RandomTokens(1, 40, 20), params, 300).tokens);
}

TEST(CoreSpeculation, EndTokenAndLimitInsideADraftEndTheText) {
  FakeModelOptions state = Repetitive();
  for (uint32_t max_tokens = 1; max_tokens < 60; max_tokens += 3) {
    state.running = max_tokens % 2 == 0;
    Bench bench(state);
    SamplingParams greedy;
    greedy.temperature = 0;
    EngineRequest warm = MakeRequest(RandomTokens(1, 40, 20), 200, greedy);
    bench.Add(std::move(warm));
    bench.RunAll();
    EngineRequest request = MakeRequest(RandomTokens(1, 40, 20), max_tokens, greedy);
    const SlowText whole = SlowGenerate(bench.model, request.prompt, greedy, 60);
    request.prediction = whole.tokens;
    request.end_tokens = {whole.tokens[40]};
    const SlowText expected =
        SlowGenerate(bench.model, request.prompt, greedy, max_tokens, request.end_tokens);
    const auto sink = bench.Add(std::move(request));
    bench.RunAll();
    EXPECT_EQ(sink->tokens, expected.tokens);
    EXPECT_EQ(sink->last.reason, expected.reason);
    EXPECT_EQ(sink->last.completion_tokens,
              expected.tokens.size() + (expected.reason == FinishReason::kStop ? 1 : 0));
  }
}

TEST(CoreSpeculation, PredictionIsCountedAndNeverChangesTheText) {
  Bench bench({.step_us = 4000, .row_us = 200});
  SamplingParams params = Sampled(8);
  const auto prompt = RandomTokens(1, 50);
  bench.Add(MakeRequest(prompt, 20, params));
  bench.RunAll();
  const SlowText expected = SlowGenerate(bench.model, prompt, params, 100);
  // The first 40 right, 10 wrong ones in place of 10, then right again.
  std::vector<TokenId> prediction = expected.tokens;
  for (uint32_t i = 40; i < 50; ++i) prediction[i] = (prediction[i] + 1) % 97;
  EngineRequest request = MakeRequest(prompt, 100, params);
  request.prediction = prediction;
  const uint64_t before = bench.core->stats().steps;
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  EXPECT_EQ(sink->tokens, expected.tokens);
  EXPECT_LT(bench.core->stats().steps - before, 50u);
  EXPECT_GE(sink->last.timings.predicted_accepted, 85u);
  EXPECT_EQ(sink->last.timings.predicted_accepted + sink->last.timings.predicted_rejected, 100u);
}

TEST(CoreSpeculation, HopelessDraftsAreGivenUp) {
  EngineOptions options;
  // Tokens from few values without order: three in a row occur all the time and foretell nothing.
  Bench bench({.vocabulary = 5, .step_us = 4000, .row_us = 400}, options);
  bench.Add(MakeRequest(RandomTokens(1, 200, 5), 1500, Sampled(3)));
  bench.RunAll();
  Bench plain({.vocabulary = 5, .step_us = 4000, .row_us = 400}, {.speculation = false});
  plain.Add(MakeRequest(RandomTokens(1, 200, 5), 1500, Sampled(3)));
  plain.RunAll();
  const auto took = [](const Bench& b) {
    return std::chrono::duration<double>(b.model.now.time_since_epoch() - std::chrono::hours(1))
        .count();
  };
  EXPECT_LT(took(bench), took(plain) * 1.02);
}

}  // namespace
}  // namespace infe::engine
