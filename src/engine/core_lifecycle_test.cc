// Ways of coming and going: cancellation, pauses, deadlines, preemption, priorities.
#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(CoreLifecycle, PreemptionChangesNoText) {
  for (const FakeModelOptions& state : EveryState(50)) {
    for (const bool prefix_cache : {true, false}) {
      SCOPED_TRACE(Describe(state));
      EngineOptions options;
      options.context_max = 1024;
      options.kv_memory_bytes = (40 + BlocksBeside(state, 30)) * 256;
      options.prefix_cache = prefix_cache;
      Bench bench(state, options);
      std::vector<std::shared_ptr<RecordingSink>> sinks;
      for (uint32_t i = 0; i < 12; ++i) {
        sinks.push_back(bench.Add(MakeRequest(RandomTokens(i, 30 + i), 200 + 10 * i, Sampled(i))));
      }
      bench.RunAll();
      EXPECT_GT(bench.core->stats().preemptions, 3u);
      for (uint32_t i = 0; i < 12; ++i) {
        EXPECT_EQ(
            sinks[i]->tokens,
            SlowGenerate(bench.model, RandomTokens(i, 30 + i), Sampled(i), 200 + 10 * i).tokens);
        EXPECT_EQ(sinks[i]->last.reason, FinishReason::kLength);
      }
      ExpectEmpty(*bench.core);
    }
  }
}

// 200 requests vanish at random moments, in the queue, in prefill, in decode; the others must not
// notice and nothing may be left behind.
TEST(CoreLifecycle, CancelledRequestsLeaveNothingAndSurvivorsDoNotNotice) {
  for (const FakeModelOptions& state : EveryState(50)) {
    SCOPED_TRACE(Describe(state));
    EngineOptions options;
    options.context_max = 1024;
    options.kv_memory_bytes = (120 + (state.running ? 12 : 0)) * 256;
    Bench bench(state, options);
    struct Live {
      RequestId id;
      uint32_t job;
      std::shared_ptr<RecordingSink> sink;
    };
    std::vector<Live> all;
    const auto prompt_of = [](uint32_t job) {
      auto prompt = RandomTokens(job % 5, 20 + job % 170);
      prompt.push_back(job % 97);
      return prompt;
    };
    uint32_t cancelled = 0;
    for (uint32_t job = 0; job < 260; ++job) {
      EngineRequest request = MakeRequest(prompt_of(job), 1 + job % 60, Sampled(job));
      request.id = job + 1;
      all.push_back({request.id, job, bench.Add(std::move(request))});
      const int steps = static_cast<int>(UniformAt(3, 0, job) * 4);
      for (int i = 0; i < steps; ++i) bench.core->Step();
      while (UniformAt(4, cancelled, job) < 0.45) {
        const auto pick = static_cast<size_t>(UniformAt(5, cancelled, job) * all.size());
        bench.core->Cancel(all[pick].id);
        ++cancelled;
      }
    }
    EXPECT_GE(cancelled, 200u);
    bench.RunAll();
    uint32_t survivors = 0;
    for (const Live& live : all) {
      ASSERT_EQ(live.sink->finished, 1);
      const auto expected =
          SlowGenerate(bench.model, prompt_of(live.job), Sampled(live.job), 1 + live.job % 60)
              .tokens;
      if (live.sink->last.reason == FinishReason::kCancelled) {
        ASSERT_LE(live.sink->tokens.size(), expected.size());
        ASSERT_TRUE(
            std::equal(live.sink->tokens.begin(), live.sink->tokens.end(), expected.begin()));
      } else {
        ASSERT_EQ(live.sink->tokens, expected) << live.job;
        ++survivors;
      }
    }
    EXPECT_GT(survivors, 50u);
    ExpectEmpty(*bench.core);
    EXPECT_EQ(bench.core->stats().finished, 260u);
  }
}

TEST(CoreLifecycle, CancelEndsWithinTheStep) {
  Bench bench;
  EngineRequest request = MakeRequest(RandomTokens(1, 600), 100);
  request.id = 7;
  const auto sink = bench.Add(std::move(request));
  bench.core->Step();
  EXPECT_GT(bench.core->stats().kv_blocks_used, 0u);
  bench.core->Cancel(7);
  EXPECT_EQ(sink->finished, 1);
  EXPECT_EQ(sink->last.reason, FinishReason::kCancelled);
  ExpectEmpty(*bench.core);
  bench.core->Cancel(7);  // unknown by now
  bench.core->Cancel(12345);
  EXPECT_EQ(sink->finished, 1);
}

TEST(CoreLifecycle, DeadlineEndsInQueueAndInDecode) {
  EngineOptions options;
  options.batch_sequences_max = 1;
  Bench bench({}, options);
  EngineRequest running = MakeRequest(RandomTokens(1, 20), 4000);
  running.deadline = bench.model.now + milliseconds(200);
  const auto first = bench.Add(std::move(running));
  bench.core->Step();
  EngineRequest waiting = MakeRequest(RandomTokens(2, 20), 10);
  waiting.deadline = bench.model.now + milliseconds(50);
  const auto second = bench.Add(std::move(waiting));
  EXPECT_EQ(bench.core->NextDeadline(), bench.model.now + milliseconds(50));
  bench.RunAll();
  EXPECT_EQ(first->last.reason, FinishReason::kDeadline);
  EXPECT_GT(first->tokens.size(), 10u);
  EXPECT_LE(
      first->last.timings.queue_ms + first->last.timings.prefill_ms + first->last.timings.decode_ms,
      210);
  EXPECT_EQ(second->last.reason, FinishReason::kDeadline);
  EXPECT_TRUE(second->tokens.empty());
  ExpectEmpty(*bench.core);
}

TEST(CoreLifecycle, PausedSequenceKeepsItsKvAndGoesOnWithTheSameText) {
  Bench bench;
  EngineRequest request = MakeRequest(RandomTokens(1, 40), 60, Sampled(1));
  request.id = 1;
  const auto sink = bench.Add(std::move(request));
  for (int i = 0; i < 10; ++i) bench.core->Step();
  bench.core->SetPaused(1, true);
  const size_t had = sink->tokens.size();
  ASSERT_GT(had, 0u);
  EXPECT_FALSE(bench.core->Step());  // nothing can run: the engine would sleep
  EXPECT_EQ(sink->tokens.size(), had);
  EXPECT_EQ(bench.core->stats().paused, 1u);
  EXPECT_GT(bench.core->stats().kv_blocks_used, 0u);
  const uint64_t rows = bench.model.rows_in_all;
  bench.core->SetPaused(1, false);
  bench.RunAll();
  EXPECT_EQ(sink->tokens, SlowGenerate(bench.model, RandomTokens(1, 40), Sampled(1), 60).tokens);
  EXPECT_LE(bench.model.rows_in_all - rows, 60 + 10 - had + 40);  // nothing was computed again
}

TEST(CoreLifecycle, PausedSequencesDoNotHoldTheBatch) {
  EngineOptions options;
  options.batch_sequences_max = 2;
  Bench bench({}, options);
  std::vector<std::shared_ptr<RecordingSink>> stalled;
  for (RequestId id = 1; id <= 2; ++id) {
    EngineRequest request = MakeRequest(RandomTokens(id, 10), 50, Sampled(id));
    request.id = id;
    stalled.push_back(bench.Add(std::move(request)));
  }
  bench.core->Step();
  bench.core->SetPaused(1, true);
  bench.core->SetPaused(2, true);
  const auto third = bench.Add(MakeRequest(RandomTokens(9, 10), 20, Sampled(9)));
  bench.RunAll();
  EXPECT_EQ(third->finished, 1);
  EXPECT_EQ(stalled[0]->finished + stalled[1]->finished, 0);
  const auto fourth = bench.Add(MakeRequest(RandomTokens(8, 10), 20, Sampled(8)));
  bench.core->SetPaused(1, false);
  bench.core->SetPaused(2, false);
  bench.RunAll();
  for (RequestId id = 1; id <= 2; ++id) {
    EXPECT_EQ(stalled[id - 1]->tokens,
              SlowGenerate(bench.model, RandomTokens(id, 10), Sampled(id), 50).tokens);
  }
  EXPECT_EQ(fourth->finished, 1);
  ExpectEmpty(*bench.core);
}

// Paused readers give their memory to those that can use it, and compute it again later.
TEST(CoreLifecycle, PausedSequencesGiveWayWhenMemoryIsShort) {
  EngineOptions options;
  options.context_max = 1024;
  options.kv_memory_bytes = 33 * 256;
  Bench bench({}, options);
  EngineRequest request = MakeRequest(RandomTokens(1, 500), 100, Sampled(1));
  request.id = 1;
  const auto paused = bench.Add(std::move(request));
  for (int i = 0; i < 20; ++i) bench.core->Step();
  bench.core->SetPaused(1, true);
  const auto other = bench.Add(MakeRequest(RandomTokens(2, 900), 100, Sampled(2)));
  bench.RunAll();
  EXPECT_EQ(other->finished, 1);
  EXPECT_EQ(paused->finished, 0);
  EXPECT_GT(bench.core->stats().preemptions, 0u);
  bench.core->SetPaused(1, false);
  bench.RunAll();
  EXPECT_EQ(paused->tokens,
            SlowGenerate(bench.model, RandomTokens(1, 500), Sampled(1), 100).tokens);
  ExpectEmpty(*bench.core);
}

TEST(CoreLifecycle, PriorityIsAdmittedFirstAndFlexLast) {
  EngineOptions options;
  options.batch_sequences_max = 1;
  Bench bench({}, options);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  bench.Add(MakeRequest(RandomTokens(0, 10), 30));
  bench.core->Step();
  for (const Priority priority : {Priority::kFlex, Priority::kDefault, Priority::kPriority}) {
    EngineRequest request = MakeRequest(RandomTokens(static_cast<uint64_t>(priority), 10), 5);
    request.priority = priority;
    sinks.push_back(bench.Add(std::move(request)));
  }
  bench.RunAll();
  EXPECT_LT(sinks[2]->last.timings.queue_ms, sinks[1]->last.timings.queue_ms);
  EXPECT_LT(sinks[1]->last.timings.queue_ms, sinks[0]->last.timings.queue_ms);
}

// One key has filled the batch with long answers; another's request begins at once all the same,
// and the first gains nothing by it.
TEST(CoreLifecycle, AKeyWithNothingRunningNeedNotWaitForAPlace) {
  EngineOptions options;
  options.batch_sequences_max = 4;
  Bench bench({}, options);
  const auto add = [&](const char* key, uint64_t seed) {
    EngineRequest request = MakeRequest(RandomTokens(seed, 10), 200);
    request.fairness_key = key;
    return bench.Add(std::move(request));
  };
  for (uint64_t seed = 0; seed < 8; ++seed) add("greedy", seed);
  for (int i = 0; i < 5; ++i) bench.core->Step();
  EXPECT_EQ(bench.core->stats().running, 4u);
  const auto polite = add("polite", 100);
  const auto second = add("polite", 101);
  for (int i = 0; i < 5; ++i) bench.core->Step();
  EXPECT_EQ(bench.core->stats().running, 5u);
  EXPECT_FALSE(polite->tokens.empty());
  EXPECT_TRUE(second->tokens.empty());
  bench.RunAll();
  EXPECT_EQ(polite->tokens, SlowGenerate(bench.model, RandomTokens(100, 10), {}, 200).tokens);
  ExpectEmpty(*bench.core);
}

// One key fills the batch and has more waiting. Another's prompt, which does not fit beside all
// that decode, is computed in one step; whoever rested for it is in the next, and no text changes.
TEST(CoreLifecycle, AKeyThatFillsTheBatchRestsForAnothersPrompt) {
  EngineOptions options;
  options.batch_sequences_max = 16;
  options.step_budget_ms = 50;
  options.speculation = false;
  Bench bench({.step_us = 3000, .row_us = 500, .attended_us = 0}, options);
  const auto add = [&](uint64_t seed, const std::string& key, uint32_t prompt, uint32_t tokens) {
    EngineRequest request = MakeRequest(RandomTokens(seed, prompt), tokens, Sampled(seed));
    request.fairness_key = key;
    return bench.Add(std::move(request));
  };
  add(99, "greedy", 400, 1);  // steps of any size have been seen
  bench.RunAll();
  std::vector<std::shared_ptr<RecordingSink>> greedy;
  for (uint64_t i = 0; i < 20; ++i) greedy.push_back(add(i, "greedy", 20, 150));
  for (int i = 0; i < 60; ++i) bench.core->Step();
  std::vector<std::shared_ptr<RecordingSink>> polite;
  std::vector<size_t> before(greedy.size());
  std::vector<int> missed(greedy.size(), 0);
  int rests = 0;
  for (uint64_t i = 0; i < 4; ++i) {
    polite.push_back(add(100 + i, "polite" + std::to_string(i), 85, 5));
    for (int step = 0; step < 8; ++step) {
      for (size_t g = 0; g < greedy.size(); ++g) before[g] = greedy[g]->count();
      bench.core->Step();
      EXPECT_GE(polite.back()->count(), 1u);
      int resting = 0;
      for (size_t g = 0; g < 16; ++g) {
        const bool made = greedy[g]->count() > before[g];
        missed[g] = made ? 0 : missed[g] + 1;
        resting += made ? 0 : 1;
        EXPECT_LE(missed[g], 1);
      }
      rests += resting > 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(rests, 4);
  bench.RunAll();
  for (uint64_t i = 0; i < greedy.size(); ++i) {
    EXPECT_EQ(greedy[i]->tokens,
              SlowGenerate(bench.model, RandomTokens(i, 20), Sampled(i), 150).tokens);
  }
  ExpectEmpty(*bench.core);
}

// A flex request under an endless stream of priority work is served all the same.
TEST(CoreLifecycle, FlexDoesNotStarve) {
  EngineOptions options;
  options.batch_sequences_max = 1;
  Bench bench({}, options);
  EngineRequest flex = MakeRequest(RandomTokens(1, 300), 5);
  flex.priority = Priority::kFlex;
  const auto sink = bench.Add(std::move(flex));
  const auto begin = bench.model.now;
  for (uint32_t i = 0; sink->finished == 0; ++i) {
    ASSERT_LT(bench.model.now - begin, seconds(120));
    while (bench.core->stats().waiting < 3) {
      EngineRequest request = MakeRequest(RandomTokens(100 + i, 10), 20);
      request.priority = Priority::kPriority;
      bench.Add(std::move(request));
    }
    bench.core->Step();
  }
  EXPECT_GT(bench.model.now - begin, seconds(50));  // two bands up: 60 s
}

// The long prompt of a stream of short ones: overtaken for at most as long as it takes itself.
TEST(CoreLifecycle, LongPromptDoesNotStarveBehindShortOnes) {
  EngineOptions options;
  options.batch_sequences_max = 2;
  options.speculation = false;
  Bench bench({}, options);
  bench.Add(MakeRequest(RandomTokens(1, 100), 5));
  bench.RunAll();  // the cost is known
  const auto sink = bench.Add(MakeRequest(RandomTokens(2, 3000), 2));
  const auto begin = bench.model.now;
  for (uint32_t i = 0; sink->finished == 0; ++i) {
    while (bench.core->stats().waiting < 4) {
      bench.Add(MakeRequest(RandomTokens(1000 + i, 50), 3));
    }
    bench.core->Step();
    // Alone it takes about 3000 * 0.5 ms + 8 steps * 3 ms + attention.
    ASSERT_LT(bench.model.now - begin, seconds(12));
  }
}

TEST(CoreLifecycle, StepsStayWithinTheBudgetWhileSomeoneDecodes) {
  EngineOptions options;
  options.step_budget_ms = 50;
  options.speculation = false;
  Bench bench({}, options);
  bench.Add(MakeRequest(RandomTokens(9, 500), 2));
  bench.RunAll();
  std::vector<std::shared_ptr<RecordingSink>> streams;
  for (uint32_t i = 0; i < 3; ++i)
    streams.push_back(bench.Add(MakeRequest(RandomTokens(i, 20), 2000)));
  for (int i = 0; i < 10; ++i) bench.core->Step();
  const auto intruder = bench.Add(MakeRequest(RandomTokens(5, 3000), 5));
  double worst = 0;
  double prefill_steps = 0;
  while (intruder->tokens.empty()) {
    const auto before = bench.model.now;
    const size_t had = streams[0]->tokens.size();
    ASSERT_TRUE(bench.core->Step());
    EXPECT_EQ(streams[0]->tokens.size(), had + 1);  // decode goes on in every step
    worst = std::max(worst,
                     std::chrono::duration<double, std::milli>(bench.model.now - before).count());
    ++prefill_steps;
  }
  EXPECT_LT(worst, 60);
  EXPECT_LT(prefill_steps, 60);  // and the budget is used: 50 ms hold about 90 rows
}

}  // namespace
}  // namespace infe::engine
