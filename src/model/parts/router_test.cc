// Which experts are chosen and what they weigh, against sums written down plainly.
#include "model/parts/router.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "model/model_test_support.h"

namespace infe::model {
namespace {

const kernels::KernelTable& Kernels() {
  return TestKernels();
}

std::vector<Choice> Choose(const MoeFfnConfig& config, const std::vector<float>& logits,
                           const float* bias = nullptr) {
  std::vector<float> scores(logits.size());
  std::vector<Choice> choices(config.used);
  ChooseExperts(config, Kernels(), logits.data(), bias, scores, choices);
  return choices;
}

MoeFfnConfig Config(RouterKind router, uint32_t experts, uint32_t used) {
  return {.experts = experts, .used = used, .router = router};
}

const std::vector<float> kLogits = {0.5F, -1, 2, 1.5F, 0};

TEST(Router, SoftmaxWeighsAmongAllUnlessNormalised) {
  MoeFfnConfig config = Config(RouterKind::kSoftmax, 5, 2);
  double total = 0;
  for (const float x : kLogits) total += std::exp(x);
  auto choices = Choose(config, kLogits);
  EXPECT_EQ(choices[0].expert, 2u);
  EXPECT_EQ(choices[1].expert, 3u);
  EXPECT_NEAR(choices[0].weight, std::exp(2) / total, 1e-6);
  EXPECT_NEAR(choices[1].weight, std::exp(1.5) / total, 1e-6);
  config.normalise = true;
  config.weight_scale = 2.5F;
  choices = Choose(config, kLogits);
  EXPECT_NEAR(choices[0].weight, 2.5 * std::exp(2) / (std::exp(2) + std::exp(1.5)), 1e-6);
  EXPECT_NEAR(choices[0].weight + choices[1].weight, 2.5, 1e-6);
}

TEST(Router, SoftmaxOfChosenKnowsNoOthers) {
  const auto choices = Choose(Config(RouterKind::kSoftmaxOfChosen, 5, 3), kLogits);
  const double sum = std::exp(0.5) + std::exp(2) + std::exp(1.5);
  EXPECT_EQ(choices[0].expert, 0u);
  EXPECT_NEAR(choices[0].weight, std::exp(0.5) / sum, 1e-6);
  EXPECT_NEAR(choices[1].weight, std::exp(2) / sum, 1e-6);
}

TEST(Router, TheBiasChoosesAndDoesNotWeigh) {
  const float bias[] = {0, 3, 0, 0, 0};
  const auto choices = Choose(Config(RouterKind::kSigmoid, 5, 2), kLogits, bias);
  EXPECT_EQ(choices[0].expert, 1u);
  EXPECT_NEAR(choices[0].weight, 1 / (1 + std::exp(1.0)), 1e-6);
  EXPECT_EQ(choices[1].expert, 2u);
  EXPECT_NEAR(choices[1].weight, 1 / (1 + std::exp(-2.0)), 1e-6);
}

TEST(Router, TiesGoToTheLowerExpert) {
  const auto choices = Choose(Config(RouterKind::kSoftmax, 6, 3), {1, 2, 1, 2, 1, 1});
  EXPECT_EQ(choices[0].expert, 0u);
  EXPECT_EQ(choices[1].expert, 1u);
  EXPECT_EQ(choices[2].expert, 3u);
  const auto all = Choose(Config(RouterKind::kSoftmax, 3, 3), {1, 1, 1});
  for (uint32_t e = 0; e < 3; ++e) EXPECT_EQ(all[e].expert, e);
}

TEST(Router, ExpertsAreDistinctWhateverTheLogitsAre) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& logits : {std::vector<float>{kNan, kNan, kNan, kNan},
                                           {-kInfinity, -kInfinity, kNan, 0},
                                           {1e38F, -1e38F, 1e38F, 0},
                                           {-kInfinity, -kInfinity, -kInfinity, -kInfinity}}) {
    const auto choices = Choose(Config(RouterKind::kSoftmax, 4, 3), logits);
    EXPECT_LT(choices[0].expert, choices[1].expert);
    EXPECT_LT(choices[1].expert, choices[2].expert);
    EXPECT_LT(choices[2].expert, 4u);
  }
}

TEST(Router, SigmoidStaysBetweenZeroAndOne) {
  for (const float x : {-200.0F, -3.0F, 0.0F, 2.0F, 200.0F}) {
    EXPECT_NEAR(Sigmoid(Kernels(), x), 1 / (1 + std::exp(-double{x})), 1e-6) << x;
  }
}

}  // namespace
}  // namespace infe::model
