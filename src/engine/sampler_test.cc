// The sampler against one that sorts the whole vocabulary in double precision.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include "engine/test_support.h"

namespace infe::engine {
namespace {

std::vector<float> RandomLogits(uint64_t seed, uint32_t vocabulary, float spread) {
  std::vector<float> logits(vocabulary);
  for (uint32_t i = 0; i < vocabulary; ++i) {
    const double u = UniformAt(seed, 5, i);
    logits[i] = spread * static_cast<float>(u * u * u * u);
    if (i % 7 == 3) logits[i] = std::floor(logits[i] * 2) / 2;  // ties
    if (i % 11 == 5) logits[i] -= spread;
  }
  return logits;
}

// What the model's head would have made of a row.
std::vector<model::LogitSummary> SummariesOf(const kernels::KernelTable& kernels,
                                             const SampleInput& input) {
  std::vector<model::LogitSummary> summaries;
  float scratch[model::kLogitSpan];
  for (uint32_t at = 0; at < input.vocabulary; at += model::kLogitSpan) {
    const uint64_t* mask = input.mask.empty() ? nullptr : input.mask.data() + at / 64;
    const uint32_t count = std::min(model::kLogitSpan, input.vocabulary - at);
    summaries.push_back(model::Summarise(kernels,
                                         model::MaskSpan(input.logits + at, count, mask, scratch),
                                         InverseTemperature(*input.params)));
  }
  return summaries;
}

SamplingParams RandomParams(uint64_t i) {
  SamplingParams params;
  const auto u = [&](uint32_t what) { return UniformAt(77, what, i); };
  params.seed = i;
  params.choice = static_cast<uint32_t>(i % 3);
  if (u(0) < 0.8) params.temperature = static_cast<float>(0.1 + 2 * u(1));
  if (u(0) > 0.95) params.temperature = 0;
  if (u(2) < 0.4) params.top_p = static_cast<float>(u(3));
  if (u(4) < 0.3) params.top_k = static_cast<uint32_t>(1 + 100 * u(5) * u(5));
  if (u(6) < 0.3) params.min_p = static_cast<float>(0.3 * u(7));
  if (u(8) < 0.3) params.presence_penalty = static_cast<float>(4 * u(9) - 2);
  if (u(10) < 0.3) params.frequency_penalty = static_cast<float>(4 * u(11) - 2);
  if (u(12) < 0.3) params.repetition_penalty = static_cast<float>(0.5 + u(13));
  return params;
}

// The loops of every instruction set that this CPU has.
class SamplerTest : public testing::TestWithParam<kernels::Isa> {
 protected:
  void SetUp() override {
    const kernels::KernelTable* table = kernels::FindKernels(GetParam());
    if (table == nullptr) GTEST_SKIP() << "this CPU or build lacks it";
    kernels = table;
  }
  const kernels::KernelTable* kernels = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Isas, SamplerTest,
                         testing::Values(kernels::Isa::kGeneric, kernels::Isa::kAvx2,
                                         kernels::Isa::kAvx512Vnni),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST_P(SamplerTest, AgreesWithSortingEverything) {
  Sampler sampler(*kernels);
  for (const uint32_t vocabulary : {1u, 2u, 63u, 255u, 256u, 257u, 1000u, 5000u}) {
    for (uint64_t i = 0; i < 250; ++i) {
      const float spread = static_cast<float>(0.01 + 25 * UniformAt(1, 1, i));
      const auto logits = RandomLogits(i, vocabulary, spread);
      SamplingParams params = RandomParams(i);
      const auto prompt = RandomTokens(i + 1, 20, vocabulary);
      const auto output = RandomTokens(i + 2, 30, std::min(vocabulary, 10u));
      TokenCounts counts;
      counts.AddPrompt(prompt);
      for (const TokenId token : output) counts.AddGenerated(token);
      if (i % 3 == 1) {
        for (uint32_t b = 0; b < std::min(vocabulary, 20u); ++b) {
          params.logit_bias.emplace_back(b * (vocabulary / std::min(vocabulary, 20u)),
                                         static_cast<float>(6 * UniformAt(i, 8, b) - 3));
        }
      }
      std::vector<bool> allowed;
      std::vector<uint64_t> mask;
      std::vector<TokenId> list;
      if (i % 4 == 2) {
        const double share = i % 8 == 2 ? 0.85 : 0.02;
        allowed.resize(vocabulary);
        mask.resize((vocabulary + 63) / 64);
        for (uint32_t t = 0; t < vocabulary; ++t) {
          allowed[t] = t == i % vocabulary || UniformAt(i, 4, t) < share;
          if (!allowed[t]) continue;
          mask[t / 64] |= uint64_t{1} << (t % 64);
          if (share < 0.1 && i % 16 < 8) list.push_back(t);
        }
      }
      SampleInput input;
      input.logits = logits.data();
      input.vocabulary = vocabulary;
      input.params = &params;
      input.bias = params.logit_bias;
      input.history = counts.entries();
      input.mask = mask;
      input.allowed = list;
      input.position = i;
      const auto token = sampler.Sample(input);
      ASSERT_TRUE(token.has_value());
      const auto summaries = SummariesOf(*kernels, input);
      input.summaries = summaries;
      ASSERT_EQ(sampler.Sample(input), token) << "with the model's summaries";
      input.summaries = std::span(summaries).first(summaries.size() / 2);
      ASSERT_EQ(sampler.Sample(input), token) << "with some of them";
      ASSERT_EQ(*token,
                SlowSample({logits.begin(), logits.end()}, params, allowed, prompt, output, i))
          << "case " << i << " vocabulary " << vocabulary;
    }
  }
}

// The frequencies of many draws are the softmax: a check that does not share UniformAt's walk.
TEST_P(SamplerTest, DrawsFollowTheDistribution) {
  const auto logits = RandomLogits(3, 300, 4);
  SamplingParams params;
  params.temperature = 0.8f;
  Sampler sampler(*kernels);
  SampleInput input;
  input.logits = logits.data();
  input.vocabulary = 300;
  input.params = &params;
  constexpr int kDraws = 60000;
  std::vector<int> seen(300, 0);
  for (int i = 0; i < kDraws; ++i) {
    input.position = static_cast<uint64_t>(i);
    ++seen[*sampler.Sample(input)];
  }
  double total = 0;
  for (const float x : logits) total += std::exp(x / 0.8);
  double chi = 0;
  for (int t = 0; t < 300; ++t) {
    const double expected = kDraws * std::exp(logits[t] / 0.8) / total;
    chi += (seen[t] - expected) * (seen[t] - expected) / expected;
  }
  EXPECT_LT(chi, 299 + 5 * std::sqrt(2 * 299.0));  // five standard deviations
}

TEST_P(SamplerTest, FlatDistributionReachesEveryTokenWithoutSorting) {
  const uint32_t vocabulary = 20000;
  const std::vector<float> logits(vocabulary, 1.5f);
  SamplingParams params;
  Sampler sampler(*kernels);
  SampleInput input;
  input.logits = logits.data();
  input.vocabulary = vocabulary;
  input.params = &params;
  for (uint64_t i = 0; i < 300; ++i) {
    input.position = i;
    // Equal logits are in order of id.
    const double u = UniformAt(params.seed, 0, i);
    const auto expected = static_cast<double>(*sampler.Sample(input));
    EXPECT_NEAR(expected, std::floor(u * vocabulary), 1.0);
  }
  params.top_p = 0.5f;
  for (uint64_t i = 0; i < 100; ++i) {
    input.position = i;
    EXPECT_LE(*sampler.Sample(input), vocabulary / 2);
  }
}

TEST_P(SamplerTest, NumbersThatAreNoneAreNeverDrawn) {
  std::vector<float> logits(600, std::numeric_limits<float>::quiet_NaN());
  logits[300] = -5;
  logits[500] = -std::numeric_limits<float>::infinity();
  SamplingParams params;
  Sampler sampler(*kernels);
  SampleInput input;
  input.logits = logits.data();
  input.vocabulary = 600;
  input.params = &params;
  for (input.position = 0; input.position < 50; ++input.position)
    EXPECT_EQ(sampler.Sample(input), 300u);
  params.temperature = 0;
  EXPECT_EQ(sampler.Sample(input), 300u);
  logits[300] = logits[0];
  EXPECT_EQ(sampler.Sample(input), std::nullopt);
}

TEST_P(SamplerTest, ExtremeParametersStayInBounds) {
  const auto logits = RandomLogits(9, 1000, 30);
  Sampler sampler(*kernels);
  SampleInput input;
  input.logits = logits.data();
  input.vocabulary = 1000;
  SamplingParams params;
  input.params = &params;
  const auto best =
      static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (const float temperature : {1e-38f, 1e-6f, 1e-4f, 1e-3f}) {
    params.temperature = temperature;
    const TokenId token = *sampler.Sample(input);
    EXPECT_EQ(logits[token], logits[best]);
  }
  params = {};
  params.temperature = 1e30f;
  for (input.position = 0; input.position < 100; ++input.position)
    EXPECT_LT(*sampler.Sample(input), 1000u);
  params = {};
  params.min_p = 1;
  EXPECT_EQ(logits[*sampler.Sample(input)], logits[best]);
  params.top_k = 5000;
  params.top_p = 1e-9f;
  EXPECT_EQ(*sampler.Sample(input), best);
}

TEST_P(SamplerTest, MathKeepsItsBounds) {
  double worst = 0;
  for (int i = 0; i <= 870000; i += 7) {
    const float x = static_cast<float>(-i) * 1e-4f;
    const double expected = std::exp(double{x});
    worst = std::max(worst, std::abs(kernels->exp_sum(&x, 0, 1, 1) - expected) / expected);
  }
  EXPECT_LT(worst, 3e-7);
  const float zero = 0;
  EXPECT_EQ(kernels->exp_sum(&zero, 0, 1, 1), 1.0);
}

}  // namespace
}  // namespace infe::engine
