#include "model/parts/router.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace infe::model {
namespace {

// Sums of weights below this do not divide: all experts of a row may weigh nothing.
constexpr double kWeightSumMin = 6.103515625e-5;

double Exp(const kernels::KernelTable& kernels, float x, float shift) {
  return kernels.exp_sum(&x, shift, 1, 1);
}

// The choices by score, in ascending order of experts.
void TakeBest(std::span<const float> scores, std::span<Choice> choices) {
  size_t count = 0;  // choices so far, best first
  for (uint32_t e = 0; e < scores.size(); ++e) {
    size_t at = count;
    while (at > 0 && scores[choices[at - 1].expert] < scores[e]) --at;
    if (at == choices.size()) continue;
    count = std::min(count + 1, choices.size());
    for (size_t i = count - 1; i > at; --i) choices[i] = choices[i - 1];
    choices[at].expert = e;
  }
  INFE_DCHECK(count == choices.size());
  std::sort(choices.begin(), choices.end(),
            [](const Choice& a, const Choice& b) { return a.expert < b.expert; });
}

}  // namespace

float Sigmoid(const kernels::KernelTable& kernels, float x) {
  // The exponential of what is not positive, so that it cannot overflow.
  if (x >= 0) return static_cast<float>(1 / (1 + Exp(kernels, -x, 0)));
  const double e = Exp(kernels, x, 0);
  return static_cast<float>(e / (1 + e));
}

void ChooseExperts(const MoeFfnConfig& config, const kernels::KernelTable& kernels,
                   const float* logits, const float* bias, std::span<float> scores,
                   std::span<Choice> choices) {
  INFE_DCHECK(scores.size() == config.experts && choices.size() == config.used);
  const float largest = *std::max_element(logits, logits + config.experts);
  double total = 1;
  if (config.router == RouterKind::kSoftmax) {
    total = kernels.exp_sum(logits, largest, 1, config.experts);
  }
  const auto weigh = [&](uint32_t e) -> double {
    if (config.router == RouterKind::kSigmoid) return Sigmoid(kernels, logits[e]);
    return Exp(kernels, logits[e], largest) / total;
  };
  for (uint32_t e = 0; e < config.experts; ++e) {
    // Without a bias the logits are in the order of the weights.
    scores[e] = bias == nullptr ? logits[e] : static_cast<float>(weigh(e)) + bias[e];
    // What is no number chooses nothing.
    if (!(scores[e] >= -std::numeric_limits<float>::max())) {
      scores[e] = -std::numeric_limits<float>::infinity();
    }
  }
  TakeBest(scores, choices);
  double sum = 0;
  for (const Choice& choice : choices) sum += weigh(choice.expert);
  double factor = config.weight_scale;
  if (config.normalise || config.router == RouterKind::kSoftmaxOfChosen) {
    factor /= std::max(sum, kWeightSumMin);
  }
  for (Choice& choice : choices) {
    choice.weight = static_cast<float>(weigh(choice.expert) * factor);
  }
}

}  // namespace infe::model
