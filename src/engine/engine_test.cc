// The engine's thread: many callers at once, overload, endings while others run, sleep when idle.
#include "engine/engine.h"

#include <ctime>
#include <thread>

#include <gtest/gtest.h>

#include "engine/test_support.h"

namespace infe::engine {
namespace {

EngineOptions Options() {
  EngineOptions options;
  options.context_max = 1024;
  options.kv_memory_bytes = 1 << 17;
  return options;
}

std::unique_ptr<Engine> Start(FakeModel& model, const EngineOptions& options = Options()) {
  auto engine = Engine::Start(model, options);
  INFE_CHECK(engine.has_value());
  return std::move(*engine);
}

EngineRequest WithSink(EngineRequest request, RequestId id, std::shared_ptr<TokenSink> sink) {
  request.id = id;
  request.sink = std::move(sink);
  return request;
}

TEST(Engine, ManyCallersGetTheTextOfAQuietRun) {
  FakeModel model({.window = 60});
  const auto engine = Start(model);
  constexpr uint32_t kCallers = 4, kEach = 30;
  std::vector<std::shared_ptr<RecordingSink>> sinks(kCallers * kEach);
  std::vector<std::thread> callers;
  for (uint32_t c = 0; c < kCallers; ++c) {
    callers.emplace_back([&, c] {
      for (uint32_t i = 0; i < kEach; ++i) {
        const uint32_t job = c * kEach + i;
        sinks[job] = std::make_shared<RecordingSink>();
        ASSERT_TRUE(engine->Submit(
            WithSink(MakeRequest(RandomTokens(job % 7, 10 + job), 1 + job % 40, Sampled(job)), job,
                     sinks[job])));
        if (i % 3 == 0) sinks[job]->Wait();
      }
    });
  }
  for (auto& caller : callers) caller.join();
  for (uint32_t job = 0; job < sinks.size(); ++job) {
    sinks[job]->Wait();
    EXPECT_EQ(
        sinks[job]->tokens,
        SlowGenerate(model, RandomTokens(job % 7, 10 + job), Sampled(job), 1 + job % 40).tokens);
    EXPECT_EQ(sinks[job]->finished, 1);
  }
}

TEST(Engine, RandomCancelsAndPausesFromOtherThreadsLeaveNothing) {
  FakeModel model({});
  EngineOptions options = Options();
  options.kv_memory_bytes = 40 * 256;
  options.queue_requests_max = 1000;
  const auto engine = Start(model, options);
  constexpr uint32_t kJobs = 300;
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (uint32_t i = 0; i < kJobs; ++i) sinks.push_back(std::make_shared<RecordingSink>());
  std::thread submitter([&] {
    for (uint32_t i = 0; i < kJobs; ++i) {
      ASSERT_TRUE(engine->Submit(
          WithSink(MakeRequest(RandomTokens(i % 5, 20 + i % 100), 200, Sampled(i)), i, sinks[i])));
    }
  });
  std::thread vandal([&] {
    for (uint32_t i = 0; i < 400; ++i) {
      engine->Cancel(static_cast<RequestId>(UniformAt(1, 1, i) * kJobs * 0.8));
      engine->SetPaused(static_cast<RequestId>(UniformAt(1, 2, i) * kJobs), true);
      (void)engine->stats();
      std::this_thread::yield();
    }
    for (uint32_t i = 0; i < kJobs; ++i) engine->SetPaused(i, false);
  });
  submitter.join();
  vandal.join();
  for (uint32_t i = 0; i < kJobs; ++i) engine->SetPaused(i, false);
  uint32_t whole = 0;
  for (uint32_t i = 0; i < kJobs; ++i) {
    sinks[i]->Wait();
    const auto expected =
        SlowGenerate(model, RandomTokens(i % 5, 20 + i % 100), Sampled(i), 200).tokens;
    EXPECT_EQ(sinks[i]->finished, 1);
    ASSERT_LE(sinks[i]->tokens.size(), expected.size());
    EXPECT_TRUE(std::equal(sinks[i]->tokens.begin(), sinks[i]->tokens.end(), expected.begin()));
    whole += sinks[i]->last.reason == FinishReason::kLength ? 1 : 0;
  }
  EXPECT_GE(whole, kJobs / 5);
  // The last finished event comes before the statistics of its step.
  while (engine->stats().running > 0) std::this_thread::yield();
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.kv_blocks_used, 0u);
  EXPECT_EQ(stats.waiting, 0u);
  EXPECT_EQ(stats.waiting_prompt_tokens, 0u);
  EXPECT_EQ(stats.finished, kJobs);
}

TEST(Engine, FullQueueRefusesAtOnceWithNumbers) {
  FakeModel model({});
  EngineOptions options = Options();
  options.batch_sequences_max = 1;
  options.queue_requests_max = 3;
  const auto engine = Start(model, options);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  uint32_t refused = 0;
  for (RequestId id = 1; id <= 20; ++id) {
    sinks.push_back(std::make_shared<RecordingSink>());
    const auto result =
        engine->Submit(WithSink(MakeRequest(RandomTokens(id, 900), 100), id, sinks.back()));
    if (result) continue;
    ++refused;
    EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
    EXPECT_NE(result.error().message.find("limit is 3"), std::string::npos);
    sinks.pop_back();
  }
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(engine->stats().rejected, refused);
  for (const auto& sink : sinks) sink->Wait();
}

TEST(Engine, QueuedPromptTokensAreBoundedButOneLongPromptIsTaken) {
  FakeModel model({});
  EngineOptions options = Options();
  options.batch_sequences_max = 1;
  options.queue_prompt_tokens_max = 500;
  const auto engine = Start(model, options);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  const auto submit = [&](RequestId id, uint32_t prompt) {
    sinks.push_back(std::make_shared<RecordingSink>());
    return engine->Submit(WithSink(MakeRequest(RandomTokens(id, prompt), 100), id, sinks.back()));
  };
  ASSERT_TRUE(submit(1, 900));
  bool refused = false;
  for (RequestId id = 2; id < 40 && !refused; ++id) {
    const auto result = submit(id, 400);
    if (result) continue;
    refused = true;
    sinks.pop_back();
    EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
  }
  EXPECT_TRUE(refused);
  for (const auto& sink : sinks) sink->Wait();
}

TEST(Engine, RefusesWhatCanNeverBeServed) {
  FakeModel model({});
  const auto engine = Start(model);
  const auto sink = std::make_shared<RecordingSink>();
  const auto refused = [&](EngineRequest request) {
    const auto result = engine->Submit(WithSink(std::move(request), 1, sink));
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? Error{} : result.error();
  };
  EXPECT_EQ(refused(MakeRequest({}, 5)).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused(MakeRequest({1, 97}, 5)).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused(MakeRequest(RandomTokens(1, 1025), 0)).code, ErrorCode::kInvalidArgument);
  const Error too_long = refused(MakeRequest(RandomTokens(1, 1024), 5));
  EXPECT_EQ(too_long.code, ErrorCode::kInvalidArgument);
  EXPECT_NE(too_long.message.find("1024 tokens"), std::string::npos);
  SamplingParams bias;
  bias.logit_bias = {{97, 1.0f}};
  EXPECT_EQ(refused(MakeRequest({1}, 5, bias)).param, "logit_bias");
  EXPECT_EQ(sink->events, 0);
  // And the longest prompt that leaves room for one token is served.
  ASSERT_TRUE(engine->Submit(WithSink(MakeRequest(RandomTokens(1, 1023), 5), 2, sink)));
  sink->Wait();
  EXPECT_EQ(sink->tokens.size(), 1u);
}

TEST(Engine, StopEndsEverythingWithCancelled) {
  FakeModel model({.context_length = 1 << 20});
  EngineOptions options = Options();
  options.batch_sequences_max = 2;
  auto engine = Start(model, options);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (RequestId id = 1; id <= 6; ++id) {
    sinks.push_back(std::make_shared<RecordingSink>());
    ASSERT_TRUE(
        engine->Submit(WithSink(MakeRequest(RandomTokens(id, 10), 1000), id, sinks.back())));
  }
  engine->SetPaused(1, true);
  engine.reset();
  for (const auto& sink : sinks) EXPECT_EQ(sink->finished, 1);
  EXPECT_EQ(sinks[0]->last.reason, FinishReason::kCancelled);
}

// The server's case: a sink holds, through the request's model, its engine.
TEST(Engine, AfterStopASinkMayDropTheLastReference) {
  class Owner : public RecordingSink {
   public:
    std::shared_ptr<Engine> engine;
  };
  FakeModel model({.context_length = 1 << 20});
  const auto sink = std::make_shared<Owner>();
  std::shared_ptr<Engine> engine = Start(model, Options());
  sink->engine = engine;
  ASSERT_TRUE(engine->Submit(WithSink(MakeRequest(RandomTokens(1, 10), 1000), 1, sink)));
  engine->Stop();
  engine->Stop();
  EXPECT_EQ(sink->finished, 1);
  EXPECT_EQ(engine->Submit(WithSink(MakeRequest(RandomTokens(1, 10), 10), 2, sink)).error().code,
            ErrorCode::kUnavailable);
  engine.reset();
  std::thread([&] { sink->engine.reset(); }).join();
}

TEST(Engine, DrainRefusesNewWorkAndFinishesTheOld) {
  FakeModel model({});
  const auto engine = Start(model);
  const auto sink = std::make_shared<RecordingSink>();
  ASSERT_TRUE(engine->Submit(WithSink(MakeRequest(RandomTokens(1, 10), 100), 1, sink)));
  engine->Drain();
  const auto refused = engine->Submit(WithSink(MakeRequest(RandomTokens(1, 10), 100), 2, sink));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  sink->Wait();
  EXPECT_EQ(sink->tokens.size(), 100u);
}

TEST(Engine, IdleEngineSleeps) {
  FakeModel model({});
  const auto engine = Start(model);
  const auto sink = std::make_shared<RecordingSink>();
  ASSERT_TRUE(engine->Submit(WithSink(MakeRequest(RandomTokens(1, 10), 10), 1, sink)));
  sink->Wait();
  timespec before{}, after{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  const uint64_t heartbeat = engine->heartbeat();
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double cpu = static_cast<double>(after.tv_sec - before.tv_sec) +
                     1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
  EXPECT_LT(cpu, 0.3);  // a spinning thread would have used 1.2 s
  EXPECT_GT(engine->heartbeat(), heartbeat);
}

TEST(Engine, TooLittleMemoryIsAnErrorWithNumbers) {
  FakeModel model({});
  EngineOptions options = Options();
  options.kv_memory_bytes = 20 * 256;
  const auto engine = Engine::Start(model, options);
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(engine.error().message.find("8192 bytes"), std::string::npos) << engine.error().message;
  EXPECT_NE(engine.error().message.find("5120"), std::string::npos);
  options.context_max = 0;  // as much as fits
  const auto smaller = Engine::Start(model, options);
  ASSERT_TRUE(smaller.has_value());
  EXPECT_EQ((*smaller)->context_max(), 512u);
}

// A paused request still meets its deadline: the sleeping engine wakes for it.
TEST(Engine, DeadlineWakesASleepingEngine) {
  FakeModel model({});
  const auto engine = Start(model);
  const auto sink = std::make_shared<RecordingSink>();
  EngineRequest request = MakeRequest(RandomTokens(1, 10), 1000);
  request.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(150);
  ASSERT_TRUE(engine->Submit(WithSink(std::move(request), 1, sink)));
  engine->SetPaused(1, true);
  sink->Wait();
  EXPECT_TRUE(sink->last.reason == FinishReason::kDeadline ||
              sink->last.reason == FinishReason::kLength);
}

TEST(Engine, DearGrammarsAreAskedBesideItsThreadAndTheTextIsTheSame) {
  FakeModel model({.window = 60});
  const auto engine = Start(model);
  constexpr uint32_t kJobs = 40;
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (uint32_t i = 0; i < kJobs; ++i) {
    sinks.push_back(std::make_shared<RecordingSink>());
    EngineRequest request = MakeRequest(RandomTokens(i, 30), 20, Sampled(i));
    request.matcher = std::make_unique<FakeMatcher>(
        FakeMatcher::Options{.mask_steps = i % 2 == 0 ? 300'000u : 0u,
                             .accept_steps = i % 3 == 0 ? 100'000u : 0u,
                             .finish_steps = i % 5 == 0 ? 100'000u : 0u});
    request.end_tokens = {FakeMatcher::kEnd};
    request.close_before_limit = false;
    request.fairness_key = i % 4 == 0 ? "a" : "b";
    ASSERT_TRUE(engine->Submit(WithSink(std::move(request), i, sinks[i])));
  }
  for (uint32_t i = 0; i < kJobs; i += 10) engine->Cancel(i);
  for (uint32_t i = 0; i < kJobs; ++i) {
    sinks[i]->Wait();
    EXPECT_EQ(sinks[i]->finished, 1);
    if (sinks[i]->last.reason == FinishReason::kCancelled) continue;
    FakeMatcher matcher({});
    EXPECT_EQ(sinks[i]->tokens, SlowGenerate(model, RandomTokens(i, 30), Sampled(i), 20,
                                             {FakeMatcher::kEnd}, &matcher)
                                    .tokens);
  }
  EXPECT_GT(engine->stats().grammar_jobs, 0u);
}

TEST(Engine, StopsWhileAGrammarIsAsked) {
  FakeModel model({});
  auto engine = Start(model);
  const auto sink = std::make_shared<RecordingSink>();
  EngineRequest request = MakeRequest(RandomTokens(1, 30), 200, Sampled(1));
  request.matcher = std::make_unique<FakeMatcher>(FakeMatcher::Options{.mask_steps = 3'000'000});
  request.end_tokens = {FakeMatcher::kEnd};
  ASSERT_TRUE(engine->Submit(WithSink(std::move(request), 1, sink)));
  while (engine->stats().grammar_jobs == 0) std::this_thread::yield();
  engine.reset();
  EXPECT_EQ(sink->finished, 1);
  EXPECT_EQ(sink->last.reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace infe::engine
