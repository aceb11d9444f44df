// Constrained requests: the mask decides, few allowed tokens make less work, failures stay local.
#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/test_support.h"

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
    for (const bool speculation : {true, false}) {
      EngineOptions options;
      options.speculation = speculation;
      options.tokenize = [](std::string_view bytes) {
        return std::vector<TokenId>(bytes.begin(), bytes.end());
      };
      Bench bench({}, options);
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

}  // namespace
}  // namespace infe::engine
