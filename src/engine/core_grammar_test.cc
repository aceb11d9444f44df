// Constrained requests: the mask decides, few allowed tokens make less work, failures stay local.
#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/grammar_worker.h"
#include "engine/test_support.h"
#include "grammar/limits.h"

namespace infe::engine {
namespace {

EngineRequest Constrained(uint64_t seed, uint32_t max_tokens, FakeMatcher::Options options = {}) {
  EngineRequest request = MakeRequest(RandomTokens(seed, 30), max_tokens, Sampled(seed));
  request.matcher = std::make_unique<FakeMatcher>(options);
  request.end_tokens = {FakeMatcher::kEnd};
  request.close_before_limit = false;
  return request;
}

TEST(CoreGrammar, TextIsThatOfThePlainMaskedLoop) {
  for (const bool letters : {true, false}) {
    for (const int mode : {0, 1, 2, 3}) {
      EngineOptions options;
      options.speculation = mode % 2 == 1;
      options.tokenize = [](std::string_view bytes) {
        return std::vector<TokenId>(bytes.begin(), bytes.end());
      };
      Bench bench({.running = mode >= 2}, options);
      std::vector<std::shared_ptr<RecordingSink>> sinks;
      for (uint64_t seed = 1; seed <= 20; ++seed) {
        sinks.push_back(bench.Add(Constrained(seed, 120, {.letters = letters})));
      }
      bench.RunAll();
      for (uint64_t seed = 1; seed <= 20; ++seed) {
        FakeMatcher matcher({.letters = letters});
        const SlowText expected = SlowGenerate(bench.model, RandomTokens(seed, 30), Sampled(seed),
                                               120, {FakeMatcher::kEnd}, &matcher);
        EXPECT_EQ(sinks[seed - 1]->tokens, expected.tokens) << seed;
        EXPECT_EQ(sinks[seed - 1]->last.reason, expected.reason);
      }
      ExpectEmpty(*bench.core);
    }
  }
}

TEST(CoreGrammar, FewAllowedTokensNeedFewHeadRows) {
  EngineOptions options;
  options.speculation = false;
  Bench bench({}, options);
  uint32_t with_rows = 0;
  uint32_t sampled = 0;
  bench.model.on_forward = [&](const model::Batch& batch) {
    for (const model::BatchItem& item : batch.items) {
      if (item.logits_rows == 0) continue;
      ++sampled;
      with_rows += item.head_rows.empty() ? 0 : 1;
      EXPECT_LE(item.head_rows.size(), 4u);
    }
  };
  bench.Add(Constrained(1, 100, {.letters = false}));
  bench.RunAll();
  EXPECT_EQ(with_rows, sampled);
  // Not when logprobs need the rest.
  EngineRequest request = Constrained(1, 100, {.letters = false});
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 3;
  with_rows = 0;
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  EXPECT_EQ(with_rows, 0u);
  EXPECT_EQ(sink->sampled[0].top.size(), 3u);
}

TEST(CoreGrammar, ForcedTokensNeedNoStepOfTheirOwn) {
  EngineOptions options;
  options.speculation = false;
  Bench bench({}, options);
  EngineRequest request = Constrained(2, 200, {.letters = false});
  request.sampling.logit_bias = {{FakeMatcher::kKey, 4.0f}, {FakeMatcher::kEnd, -6.0f}};
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  const auto forced = std::count_if(sink->tokens.begin(), sink->tokens.end(),
                                    [](TokenId t) { return t == 9 || t == 11 || t == 13; });
  ASSERT_GT(forced, 9);
  EXPECT_LE(bench.core->stats().steps, sink->tokens.size() - static_cast<size_t>(forced) + 2);
}

TEST(CoreGrammar, FailureInTheMiddleEndsOnlyThatRequest) {
  Bench bench;
  const auto broken = bench.Add(Constrained(1, 200, {.fail_after = 7}));
  const auto sound = bench.Add(MakeRequest(RandomTokens(3, 20), 100, Sampled(3)));
  bench.RunAll();
  EXPECT_EQ(broken->finished, 1);
  EXPECT_EQ(broken->last.reason, FinishReason::kError);
  EXPECT_EQ(broken->last.error.code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(broken->tokens.size(), 7u);
  EXPECT_EQ(sound->tokens, SlowGenerate(bench.model, RandomTokens(3, 20), Sampled(3), 100).tokens);
  ExpectEmpty(*bench.core);
}

TEST(CoreGrammar, TextIsClosedBeforeTheLimit) {
  uint32_t open_without = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    for (const bool close : {true, false}) {
      Bench bench;
      EngineRequest request = Constrained(seed, 12 + seed % 9);
      request.close_before_limit = close;
      // Biased towards opening, so that the free text ends deep inside.
      request.sampling.logit_bias = {{FakeMatcher::kOpen, 6.0f}, {FakeMatcher::kEnd, -100.0f}};
      const auto sink = bench.Add(std::move(request));
      bench.RunAll();
      FakeMatcher matcher({});
      for (const TokenId token : sink->tokens) ASSERT_TRUE(matcher.Accept(token));
      if (close) {
        EXPECT_TRUE(matcher.IsComplete()) << seed;
        EXPECT_LE(sink->tokens.size(), 12 + seed % 9);
      } else {
        open_without += matcher.IsComplete() ? 0 : 1;
      }
    }
  }
  EXPECT_GT(open_without, 20u);
}

TEST(CoreGrammar, TextIsClosedWithinLessThanTheLimitAndStaysSo) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Bench bench;
    EngineRequest request = Constrained(seed, 30);
    request.close_before_limit = true;
    request.close_within = 12 + static_cast<uint32_t>(seed % 9);
    const uint32_t within = request.close_within;
    request.sampling.logit_bias = {{FakeMatcher::kOpen, 6.0f}, {FakeMatcher::kEnd, -100.0f}};
    const auto sink = bench.Add(std::move(request));
    bench.RunAll();
    FakeMatcher matcher({});
    for (size_t i = 0; i < sink->tokens.size(); ++i) {
      ASSERT_TRUE(matcher.Accept(sink->tokens[i]));
      EXPECT_TRUE(i + 1 < within || matcher.IsComplete()) << seed << ' ' << i;
    }
    EXPECT_GE(sink->tokens.size(), within);
  }
}

TEST(CoreGrammar, NoOptionalItemIsBegunOnceTheTextWindsDown) {
  Bench bench;
  EngineRequest request = Constrained(3, 60, {.open_is_optional = true});
  request.close_before_limit = true;
  request.wind_down_after = 10;
  request.sampling.logit_bias = {{FakeMatcher::kOpen, 6.0f}, {FakeMatcher::kEnd, -100.0f}};
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  const auto last_open = std::find(sink->tokens.rbegin(), sink->tokens.rend(), FakeMatcher::kOpen);
  ASSERT_NE(last_open, sink->tokens.rend());
  EXPECT_LE(sink->tokens.rend() - last_open, 10);
}

TEST(CoreGrammar, BiasThatLeavesNothingIsDroppedNotTheGrammar) {
  Bench bench;
  EngineRequest request = Constrained(4, 20, {.letters = false});
  const float never = -std::numeric_limits<float>::infinity();
  request.sampling.logit_bias = {{FakeMatcher::kEnd, never},
                                 {FakeMatcher::kOpen, never},
                                 {FakeMatcher::kClose, never},
                                 {FakeMatcher::kKey, never}};
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  EXPECT_NE(sink->last.reason, FinishReason::kError);
  FakeMatcher matcher({});
  for (const TokenId token : sink->tokens) ASSERT_TRUE(matcher.Accept(token));
}

TEST(CoreGrammar, LogprobsAreThoseOfTheRawModel) {
  Bench bench;
  EngineRequest request = Constrained(5, 30);
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 5;
  request.sampling.logit_bias = {{2, 3.0f}};
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  std::vector<TokenId> history = RandomTokens(5, 30);
  std::vector<float> logits(97);
  for (const SampledToken& sampled : sink->sampled) {
    bench.model.Expected(history, logits.data());
    double sum = 0;
    for (const float x : logits) sum += std::exp(double{x});
    EXPECT_NEAR(sampled.logprob, logits[sampled.token] - std::log(sum), 1e-4);
    std::vector<TokenId> order(97);
    for (TokenId t = 0; t < 97; ++t) order[t] = t;
    std::stable_sort(order.begin(), order.end(),
                     [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
    ASSERT_EQ(sampled.top.size(), 5u);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(sampled.top[i].token, order[i]);
      EXPECT_NEAR(sampled.top[i].logprob, logits[order[i]] - std::log(sum), 1e-4);
    }
    history.push_back(sampled.token);
  }
}

TEST(CoreGrammar, PromptLogprobsCoverThePromptOnceAlsoAfterAHit) {
  Bench bench({.logits_rows_max = 16});
  const auto prompt = RandomTokens(5, 100);
  bench.Add(MakeRequest(prompt, 5));
  bench.RunAll();
  EngineRequest request = MakeRequest(prompt, 5, Sampled(2));
  request.prompt_logprobs = true;
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 2;
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  ASSERT_EQ(sink->prompt.size(), 100u);
  std::vector<float> logits(97);
  for (uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(sink->prompt[i].token, prompt[i]);
    if (i == 0) continue;
    bench.model.Expected(std::span(prompt).first(i), logits.data());
    double sum = 0;
    for (const float x : logits) sum += std::exp(double{x});
    EXPECT_NEAR(sink->prompt[i].logprob, logits[prompt[i]] - std::log(sum), 1e-4) << i;
    EXPECT_EQ(sink->prompt[i].top.size(), 2u);
  }
  EXPECT_EQ(sink->tokens, SlowGenerate(bench.model, prompt, Sampled(2), 5).tokens);
}

TEST(CoreGrammar, APromptIsScoredWithoutSamplingEvenIfItFillsTheContext) {
  Bench bench({.logits_rows_max = 16}, {.context_max = 256});
  const auto filling = RandomTokens(7, 256);
  for (const uint32_t length : {1u, 2u, 33u, 256u}) {
    const auto prompt = std::vector(filling.begin(), filling.begin() + length);
    EngineRequest request = MakeRequest(prompt, 0);
    request.prompt_logprobs = true;
    const auto neighbour = bench.Add(MakeRequest(RandomTokens(length, 20), 8, Sampled(1)));
    const auto sink = bench.Add(std::move(request));
    bench.RunAll();
    ASSERT_EQ(sink->prompt.size(), length);
    EXPECT_EQ(sink->finished, 1);
    EXPECT_EQ(sink->last.reason, FinishReason::kLength);
    EXPECT_EQ(sink->last.completion_tokens, 0u);
    EXPECT_TRUE(sink->tokens.empty());
    EXPECT_EQ(neighbour->tokens.size(), 8u);
    std::vector<float> logits(97);
    for (uint32_t i = 1; i < length; ++i) {
      bench.model.Expected(std::span(prompt).first(i), logits.data());
      double sum = 0;
      for (const float x : logits) sum += std::exp(double{x});
      EXPECT_NEAR(sink->prompt[i].logprob, logits[prompt[i]] - std::log(sum), 1e-4) << i;
    }
  }
  const auto valid = [&](uint32_t length, uint32_t max_tokens) {
    EngineRequest request = MakeRequest(RandomTokens(7, length), max_tokens);
    request.sink = std::make_shared<RecordingSink>();
    return bench.core->Validate(request).has_value();
  };
  EXPECT_TRUE(valid(256, 0));
  EXPECT_FALSE(valid(256, 1));
  EXPECT_FALSE(valid(257, 0));
}

TEST(CoreGrammar, APromptWithoutAnAnswerOnlyWarmsTheCache) {
  Bench bench;
  const auto prompt = RandomTokens(9, 100);
  for (const uint32_t length : {1u, 3u, 100u}) {
    const auto sink =
        bench.Add(MakeRequest(std::vector(prompt.begin(), prompt.begin() + length), 0));
    bench.RunAll();
    EXPECT_EQ(sink->last.reason, FinishReason::kLength);
    EXPECT_TRUE(sink->tokens.empty() && sink->prompt.empty());
  }
  const auto sink = bench.Add(MakeRequest(prompt, 5, Sampled(2)));
  bench.RunAll();
  EXPECT_GE(sink->last.timings.cached_tokens, 64u);
  EXPECT_EQ(sink->tokens, SlowGenerate(bench.model, prompt, Sampled(2), 5).tokens);
}

// Holds the jobs until a test lets them run.
class HeldWorker final : public GrammarWorker {
 public:
  void Submit(GrammarJob job) override { held_.push_back(std::move(job)); }
  std::vector<GrammarJob> TakeDone() override { return std::exchange(done_, {}); }
  size_t held() const { return held_.size(); }
  void RunAll() {
    for (GrammarJob& job : std::exchange(held_, {})) {
      uint64_t slice = 70'000;
      while (!Ask(job, slice)) slice *= 2;
      done_.push_back(std::move(job));
    }
  }

 private:
  std::vector<GrammarJob> held_, done_;
};

// More than the engine's thread gives to one question.
constexpr uint64_t kDear = 3 * kGrammarStepsMax;

TEST(CoreGrammar, ADearMaskRestsItsSequenceAndOthersGoOn) {
  Bench bench;
  HeldWorker worker;
  bench.core->SetGrammarWorker(&worker);
  const auto dear = bench.Add(Constrained(1, 60, {.mask_steps = kDear}));
  const auto plain = bench.Add(MakeRequest(RandomTokens(3, 20), 40, Sampled(3)));
  while (plain->finished == 0) ASSERT_TRUE(bench.core->Step());
  EXPECT_TRUE(dear->tokens.empty());
  EXPECT_EQ(worker.held(), 1u);
  EXPECT_EQ(bench.core->stats().resting_for_grammar, 1u);
  EXPECT_FALSE(bench.core->Step()) << "nothing can run: the engine may sleep";
  for (int i = 0; i < 200 && dear->finished == 0; ++i) {
    worker.RunAll();
    bench.core->Step();
  }
  FakeMatcher matcher({});
  const SlowText expected =
      SlowGenerate(bench.model, RandomTokens(1, 30), Sampled(1), 60, {FakeMatcher::kEnd}, &matcher);
  EXPECT_EQ(dear->tokens, expected.tokens);
  EXPECT_EQ(dear->last.reason, expected.reason);
  EXPECT_GE(bench.core->stats().grammar_jobs, dear->tokens.size());
  ExpectEmpty(*bench.core);
}

TEST(CoreGrammar, TextDoesNotDependOnWhereTheGrammarIsAsked) {
  const FakeMatcher::Options kinds[] = {
      {.mask_steps = kDear},
      {.accept_steps = kDear},
      {.finish_steps = kDear},
      {.letters = false, .accept_steps = kDear},
      {.open_is_optional = true, .mask_steps = 2000, .accept_steps = kDear, .finish_steps = kDear}};
  for (const FakeMatcher::Options& kind : kinds) {
    for (const int mode : {0, 1, 2, 3}) {
      const bool closes = mode % 2 == 1;
      std::vector<std::vector<TokenId>> texts[2];
      for (const bool elsewhere : {true, false}) {
        EngineOptions options;
        options.tokenize = [](std::string_view bytes) {
          return std::vector<TokenId>(bytes.begin(), bytes.end());
        };
        Bench bench({.running = mode >= 2}, options);
        HeldWorker worker;
        if (elsewhere) bench.core->SetGrammarWorker(&worker);
        std::vector<std::shared_ptr<RecordingSink>> sinks;
        for (uint64_t seed = 1; seed <= 8; ++seed) {
          EngineRequest request = Constrained(seed, 30, kind);
          request.close_before_limit = closes;
          if (seed % 2 == 0) request.wind_down_after = 10;
          request.sampling.logit_bias = {{FakeMatcher::kOpen, 5.0f}, {FakeMatcher::kEnd, -9.0f}};
          sinks.push_back(bench.Add(std::move(request)));
        }
        for (int i = 0; i < 4000; ++i) {
          bench.core->Step();
          if (i % 3 == 0) worker.RunAll();
        }
        for (const auto& sink : sinks) {
          EXPECT_EQ(sink->finished, 1);
          EXPECT_NE(sink->last.reason, FinishReason::kError) << sink->last.error.message;
          texts[elsewhere].push_back(sink->tokens);
        }
        const bool asks = closes || kind.mask_steps + kind.accept_steps > 0;
        EXPECT_EQ(bench.core->stats().grammar_jobs > 0, elsewhere && asks);
        ExpectEmpty(*bench.core);
      }
      EXPECT_EQ(texts[0], texts[1]);
    }
  }
}

TEST(CoreGrammar, AMaskBeyondTheBoundEndsThatRequestWithAnErrorOfItsOwn) {
  Bench bench;
  HeldWorker worker;
  bench.core->SetGrammarWorker(&worker);
  const auto hostile =
      bench.Add(Constrained(1, 60, {.mask_steps = grammar::kMatcherStepsMax + kDear}));
  const auto plain = bench.Add(MakeRequest(RandomTokens(3, 20), 40, Sampled(3)));
  for (int i = 0; i < 200; ++i) {
    bench.core->Step();
    worker.RunAll();
  }
  EXPECT_EQ(hostile->last.reason, FinishReason::kError);
  EXPECT_EQ(hostile->last.error.code, ErrorCode::kResourceExhausted);
  EXPECT_NE(hostile->last.error.message.find("kMatcherStepsMax"), std::string::npos);
  EXPECT_EQ(plain->tokens.size(), 40u);
  EXPECT_EQ(bench.core->stats().grammar_refusals, 1u);
  ExpectEmpty(*bench.core);
}

TEST(CoreGrammar, ManyDearMasksOfOneRequestHaveABoundTogether) {
  Bench bench;
  HeldWorker worker;
  bench.core->SetGrammarWorker(&worker);
  const auto hostile =
      bench.Add(Constrained(1, 200, {.mask_steps = grammar::kMatcherStepsMax / 2}));
  for (int i = 0; i < 400; ++i) {
    bench.core->Step();
    worker.RunAll();
  }
  EXPECT_EQ(hostile->last.reason, FinishReason::kError);
  EXPECT_NE(hostile->last.error.message.find("kMatcherStepsInAllMax"), std::string::npos);
  EXPECT_LE(hostile->tokens.size(),
            2 * grammar::kMatcherStepsInAllMax / grammar::kMatcherStepsMax + 1);
  ExpectEmpty(*bench.core);
}

TEST(CoreGrammar, CancelAndDeadlineEndASequenceWhoseMaskIsUnderWay) {
  Bench bench;
  HeldWorker worker;
  bench.core->SetGrammarWorker(&worker);
  EngineRequest first = Constrained(1, 60, {.mask_steps = kDear});
  first.id = 7;
  const auto cancelled = bench.Add(std::move(first));
  EngineRequest second = Constrained(2, 60, {.mask_steps = kDear});
  second.deadline = bench.model.now + std::chrono::hours(1);
  const auto late = bench.Add(std::move(second));
  bench.core->Step();
  ASSERT_EQ(worker.held(), 2u);
  bench.core->Cancel(7);
  bench.model.now += std::chrono::hours(2);
  bench.core->Step();
  EXPECT_EQ(cancelled->last.reason, FinishReason::kCancelled);
  EXPECT_EQ(late->last.reason, FinishReason::kDeadline);
  ExpectEmpty(*bench.core);
  worker.RunAll();  // the answers find nobody
  bench.core->Step();
  EXPECT_EQ(cancelled->finished, 1);
  EXPECT_EQ(late->finished, 1);
}

// Who rests leaves its place in the batch, and takes one again when its answer is there.
TEST(CoreGrammar, RestingSequencesDoNotKeepNewcomersOut) {
  EngineOptions options;
  options.batch_sequences_max = 2;
  Bench bench({}, options);
  HeldWorker worker;
  bench.core->SetGrammarWorker(&worker);
  std::vector<std::shared_ptr<RecordingSink>> dear;
  for (uint64_t seed = 1; seed <= 6; ++seed)
    dear.push_back(bench.Add(Constrained(seed, 20, {.mask_steps = kDear})));
  for (int i = 0; i < 5; ++i) bench.core->Step();
  EXPECT_LE(worker.held(), 4u) << "not any number of them";
  EngineRequest honest = MakeRequest(RandomTokens(3, 20), 10, Sampled(3));
  honest.fairness_key = "another";
  const auto plain = bench.Add(std::move(honest));
  for (int i = 0; i < 600; ++i) {
    bench.core->Step();
    worker.RunAll();
  }
  EXPECT_EQ(plain->tokens.size(), 10u);
  for (const auto& sink : dear) EXPECT_EQ(sink->finished, 1);
  ExpectEmpty(*bench.core);
}

}  // namespace
}  // namespace infe::engine
