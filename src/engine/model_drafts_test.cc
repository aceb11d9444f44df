// A draft model beside a model: the text that never changes whatever it guesses, what it is asked
// and when, and that it falls silent where it does not pay.
#include "engine/model_drafts.h"

#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

// No text of it repeats itself, and what comes next hangs on the last four tokens.
FakeModelOptions Target(uint32_t order = 4) {
  return {.order = order, .step_us = 4000, .row_us = 100};
}
FakeModelOptions Small(uint32_t order = 4) {
  return {.order = order, .step_us = 500, .row_us = 20};
}

// As its base, but of two kinds of rows one foretells something else.
class DoubtfulModel : public FakeModel {
 public:
  explicit DoubtfulModel(const FakeModelOptions& options) : FakeModel(options) {}
  void Forward(const model::Batch& batch, const model::StateView& kv) override {
    FakeModel::Forward(batch, kv);
    auto* row = const_cast<float*>(logits());
    for (const model::BatchItem& item : batch.items) {
      if (item.logits_rows == 0) continue;
      if (item.tokens.back() % 2 == 0) std::reverse(row, row + logits_stride());
      row += logits_stride();
    }
  }
};

// A core with a draft model, whose time is the model's too.
struct DraftBench {
  DraftBench(const FakeModelOptions& target, std::unique_ptr<FakeModel> small_model,
             EngineOptions options = {})
      : small(std::move(small_model)) {
    options.draft_model = small.get();
    bench = std::make_unique<Bench>(target, options);
    small->on_forward = [this](const model::Batch& batch) {
      bench->model.now += small->now - before;
      before = small->now;
      ++passes;
      if (on_draft) on_draft(batch);
    };
  }
  DraftBench(const FakeModelOptions& target, const FakeModelOptions& small_options,
             EngineOptions options = {})
      : DraftBench(target, std::make_unique<FakeModel>(small_options), options) {}
  EngineStats stats() const { return bench->core->stats(); }

  std::unique_ptr<FakeModel> small;
  FakeModel::TimePoint before = FakeModel::TimePoint(std::chrono::hours(1));
  std::unique_ptr<Bench> bench;
  uint32_t passes = 0;
  std::function<void(const model::Batch&)> on_draft;
};

SamplingParams Greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

double Seconds(const Bench& bench) {
  return std::chrono::duration<double>(bench.model.now.time_since_epoch() - std::chrono::hours(1))
      .count();
}

TEST(ModelDrafts, TextIsTheSameAndStepsAreFewer) {
  for (const uint32_t window : {0u, 40u}) {
    for (const auto& params : {Greedy(), Sampled(3)}) {
      FakeModelOptions target = Target();
      target.window = window;
      FakeModelOptions small = Small();
      small.window = window;
      DraftBench draft(target, small);
      const auto prompt = RandomTokens(1, 300);
      const auto sink = draft.bench->Add(MakeRequest(prompt, 400, params));
      draft.bench->RunAll();
      const SlowText expected = SlowGenerate(draft.bench->model, prompt, params, 400);
      EXPECT_EQ(sink->tokens, expected.tokens);
      if (window > 0) continue;  // the window's text hangs on positions, which the two count apart
      EXPECT_LT(draft.stats().steps, 250u);
      EXPECT_GT(draft.stats().model_accepted, 150u);
      EXPECT_EQ(sink->last.timings.accepted_tokens, draft.stats().accepted);
    }
  }
}

TEST(ModelDrafts, GuessesThatAreOftenWrongChangeNothing) {
  for (const auto& params : {Greedy(), Sampled(5)}) {
    DraftBench draft(Target(), std::make_unique<DoubtfulModel>(Small()));
    SamplingParams asked = params;
    asked.logprobs = true;
    asked.top_logprobs = 3;
    asked.frequency_penalty = 0.01f;
    const auto sink = draft.bench->Add(MakeRequest(RandomTokens(2, 50), 400, asked));
    draft.bench->RunAll();
    Bench plain(Target(), {.speculation = false});
    const auto before = plain.Add(MakeRequest(RandomTokens(2, 50), 400, asked));
    plain.RunAll();
    EXPECT_GT(draft.stats().model_accepted, 10u);
    EXPECT_GT(draft.stats().model_drafted, draft.stats().model_accepted);
    ASSERT_EQ(sink->sampled.size(), before->sampled.size());
    for (size_t i = 0; i < before->sampled.size(); ++i) {
      ASSERT_EQ(sink->sampled[i].token, before->sampled[i].token);
      ASSERT_EQ(sink->sampled[i].logprob, before->sampled[i].logprob);
    }
  }
}

// Its tries are paid from a hundredth of the time, and a credit of some steps at the start.
TEST(ModelDrafts, ADraftModelThatIsNeverRightCostsLittle) {
  DraftBench draft(Target(), Small(3));
  const auto prompt = RandomTokens(1, 40);
  const auto sink = draft.bench->Add(MakeRequest(prompt, 3000, Greedy()));
  draft.bench->RunAll();
  Bench plain(Target());
  const auto expected = plain.Add(MakeRequest(prompt, 3000, Greedy()));
  plain.RunAll();
  EXPECT_EQ(sink->tokens, expected->tokens);
  EXPECT_GT(draft.stats().model_drafted, 10u);
  EXPECT_LT(Seconds(*draft.bench), Seconds(plain) * 1.03);
}

// A pass that costs nearly a step wins nothing, however right it is.
TEST(ModelDrafts, ADearDraftModelFallsSilent) {
  FakeModelOptions dear = Small();
  dear.step_us = 4000;
  DraftBench draft(Target(), dear);
  draft.bench->Add(MakeRequest(RandomTokens(1, 40), 3000, Greedy()));
  draft.bench->RunAll();
  Bench plain(Target());
  plain.Add(MakeRequest(RandomTokens(1, 40), 3000, Greedy()));
  plain.RunAll();
  EXPECT_LT(Seconds(*draft.bench), Seconds(plain) * 1.03);
}

TEST(ModelDrafts, NobodyWaitsForItsFirstToken) {
  DraftBench draft(Target(), Small());
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  sinks.push_back(draft.bench->Add(MakeRequest(RandomTokens(1, 700), 300, Greedy())));
  draft.on_draft = [&](const model::Batch&) {
    for (const auto& sink : sinks) EXPECT_GT(sink->count(), 0u);
  };
  uint32_t steps = 0;
  while (draft.bench->core->Step()) {
    if (++steps % 30 != 0 || sinks.size() >= 4) continue;
    sinks.push_back(draft.bench->Add(MakeRequest(RandomTokens(steps, 900), 300, Greedy())));
  }
  EXPECT_EQ(sinks.size(), 4u);
  EXPECT_GT(draft.stats().model_accepted, 50u);
}

// Requests come, share prefixes, are cancelled, paused and preempted in memory that is too small
// for all of them.
TEST(ModelDrafts, NoLoadChangesAText) {
  for (const bool doubtful : {false, true}) {
    EngineOptions options;
    options.kv_memory_bytes = 4 * 32 * 256 * 4;  // of it a quarter is the draft model's
    options.context_max = 4096;
    options.batch_sequences_max = 5;
    std::unique_ptr<FakeModel> small =
        doubtful ? std::make_unique<DoubtfulModel>(Small()) : std::make_unique<FakeModel>(Small());
    DraftBench draft(Target(), std::move(small), options);
    struct Running {
      EngineRequest asked;
      std::shared_ptr<RecordingSink> sink;
      bool cancelled = false;
    };
    std::vector<Running> all;
    const auto shared = RandomTokens(7, 200);
    for (uint32_t step = 0, id = 1; id <= 30 || draft.bench->core->Step(); ++step) {
      if (id <= 30) draft.bench->core->Step();
      if (step % 9 == 0 && id <= 30) {
        std::vector<TokenId> prompt = shared;
        const auto own = RandomTokens(id, 2100 + id * 37 % 60);
        prompt.insert(prompt.end(), own.begin(), own.end());
        if (id % 7 == 0) prompt = RandomTokens(id, 90);
        EngineRequest request =
            MakeRequest(prompt, 300 + id * 11 % 200, id % 2 == 0 ? Greedy() : Sampled(id));
        request.id = id;
        Running running{MakeRequest(prompt, request.max_tokens, request.sampling), {}, id % 5 == 0};
        running.sink = draft.bench->Add(std::move(request));
        all.push_back(std::move(running));
        ++id;
      }
      if (step % 41 == 40) draft.bench->core->Cancel(id - id % 5);
      if (id > 2) draft.bench->core->SetPaused(id - 2, step % 10 < 5);
      if (id > 3) draft.bench->core->SetPaused(id - 3, false);
      if (id > 30) draft.bench->core->SetPaused(29, false);
    }
    for (const Running& running : all) {
      const SlowText expected = SlowGenerate(draft.bench->model, running.asked.prompt,
                                             running.asked.sampling, running.asked.max_tokens);
      ASSERT_EQ(running.sink->finished, 1);
      if (running.sink->last.reason == FinishReason::kCancelled) {
        EXPECT_TRUE(running.cancelled);
        ASSERT_LE(running.sink->tokens.size(), expected.tokens.size());
        EXPECT_TRUE(std::ranges::equal(
            running.sink->tokens, std::span(expected.tokens).first(running.sink->tokens.size())));
      } else {
        EXPECT_EQ(running.sink->tokens, expected.tokens);
      }
    }
    EXPECT_GT(draft.stats().model_accepted, 20u);
    EXPECT_GT(draft.stats().preemptions, 0u);
    EXPECT_GT(draft.stats().cached_tokens, 1000u);
    ExpectEmpty(*draft.bench->core);
  }
}

TEST(ModelDrafts, GrammarsHoldAndTextIsThatOfThePlainMaskedLoop) {
  for (const bool letters : {true, false}) {
    DraftBench draft(Target(), std::make_unique<DoubtfulModel>(Small()));
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      EngineRequest request = MakeRequest(RandomTokens(seed, 30), 200, Sampled(seed));
      request.matcher = std::make_unique<FakeMatcher>(FakeMatcher::Options{.letters = letters});
      request.end_tokens = {FakeMatcher::kEnd};
      request.close_before_limit = false;
      sinks.push_back(draft.bench->Add(std::move(request)));
      if (seed % 3 == 0) draft.bench->RunAll();
    }
    draft.bench->RunAll();
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      FakeMatcher matcher({.letters = letters});
      const SlowText expected = SlowGenerate(draft.bench->model, RandomTokens(seed, 30),
                                             Sampled(seed), 200, {FakeMatcher::kEnd}, &matcher);
      EXPECT_EQ(sinks[seed - 1]->tokens, expected.tokens) << seed;
      EXPECT_EQ(sinks[seed - 1]->last.reason, expected.reason);
    }
    ExpectEmpty(*draft.bench->core);
  }
}

TEST(ModelDrafts, StateIsTakenOutOfTheMemoryGiven) {
  Bench plain(Target());
  DraftBench draft(Target(), Small());
  EXPECT_EQ(plain.core->stats().draft_state_bytes, 0u);
  const uint64_t bytes = draft.stats().draft_state_bytes;
  EXPECT_EQ(bytes, DraftModel::StateBytes(draft.small->kv_groups()));
  const uint64_t block_bytes = plain.model.kv_groups()[0].block_bytes;
  EXPECT_EQ(plain.core->stats().kv_blocks_total - draft.stats().kv_blocks_total,
            bytes / block_bytes);
}

TEST(ModelDrafts, WithoutRoomTheModelGoesOnAlone) {
  EngineOptions options;
  options.kv_memory_bytes = 64 << 10;
  options.context_max = 256;
  std::string said;
  options.notice = [&](const std::string& line) { said += line; };
  DraftBench draft(Target(), Small(), options);
  EXPECT_NE(said.find("no draft model"), std::string::npos) << said;
  const auto sink = draft.bench->Add(MakeRequest(RandomTokens(1, 40), 100, Greedy()));
  draft.bench->RunAll();
  EXPECT_EQ(sink->tokens.size(), 100u);
  EXPECT_EQ(draft.passes, 0u);
}

// The memory holds one sequence of what was asked for and no draft model's state beside it.
TEST(ModelDrafts, AContextThatWasAskedForIsNotRefusedForADraftModel) {
  FakeModelOptions large = Target();
  large.context_length = 1 << 16;
  const FakeModel target(large), small(Small());
  EngineOptions options;
  const size_t state = DraftModel::StateBytes(small.kv_groups());
  options.kv_memory_bytes = 4 * state;
  const size_t block = target.kv_groups()[0].block_bytes;
  options.context_max =
      static_cast<uint32_t>(options.kv_memory_bytes / block * model::kBlockPositions);
  ASSERT_LE(options.context_max, target.config().context_length);
  std::string said;
  options.notice = [&](const std::string& line) { said += line; };
  DraftBench draft(large, Small(), options);
  EXPECT_NE(said.find("less of the KV memory than a sequence of"), std::string::npos) << said;
  EXPECT_EQ(draft.stats().draft_state_bytes, 0u);
}

TEST(ModelDrafts, SpeculationOffIsOff) {
  DraftBench draft(Target(), Small(), {.speculation = false});
  draft.bench->Add(MakeRequest(RandomTokens(1, 40), 300, Greedy()));
  draft.bench->RunAll();
  EXPECT_EQ(draft.passes, 0u);
  EXPECT_EQ(draft.stats().draft_state_bytes, 0u);
}

TEST(ModelDrafts, ModelsThatCannotGoBackAreRefused) {
  FakeModelOptions running = Target();
  running.running = true;
  FakeModel recurrent(running);
  FakeModel other(Target());
  EngineOptions options;
  options.kv_memory_bytes = 1 << 20;
  options.draft_model = &recurrent;
  EXPECT_FALSE(EngineCore::Create(other, options).has_value());
  options.draft_model = &other;
  EXPECT_FALSE(EngineCore::Create(recurrent, options).has_value());
}

}  // namespace
}  // namespace infe::engine
