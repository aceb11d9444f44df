#include "engine/draft_ledger.h"

#include <algorithm>

namespace infe::engine {
namespace {

// Without experience a guess is expected to fail, so that it is made on credit only; with this
// weight, in guesses.
constexpr double kPrior = 0.2;
constexpr double kPriorGuesses = 8;
// What guesses of other sequences count beside a sequence's own.
constexpr double kOthersGuesses = 6;
constexpr double kFading = 0.995;    // of what all sequences have seen, per guess
constexpr double kOwnFading = 0.96;  // of a sequence's own
// How right a draft model is about itself before anything is known.
constexpr double kConfidenceGuesses = 4;
constexpr double kNewStep = 0.1;  // weight of the last step in what a step takes

}  // namespace

size_t DraftLedger::StepOf(float probability) {
  const float p = std::clamp(probability, 0.0f, 1.0f);
  // Finer near certainty, where it is decided: 1/2, 3/4, 7/8, 15/16, ...
  size_t step = 0;
  for (float rest = 1 - p, limit = 0.75f; step + 1 < kSteps && rest <= limit; limit *= 0.6f) ++step;
  return step;
}

size_t DraftLedger::IndexOf(const DraftTrait& trait) {
  const size_t kind = 2 * static_cast<size_t>(trait.drawn) + static_cast<size_t>(trait.form);
  return kind * kSteps + StepOf(trait.certainty);
}

double DraftLedger::Acceptance(const DraftTrait& trait, const DraftExperience& own) const {
  const DraftExperience& all = by_trait_[IndexOf(trait)];
  const double others = (kPrior * kPriorGuesses + all.accepted) / (kPriorGuesses + all.tried);
  return (others * kOthersGuesses + own.accepted) / (kOthersGuesses + own.tried);
}

double DraftLedger::Chance(DraftTrait::Drawn drawn, float confidence) const {
  const DraftExperience& seen =
      by_confidence_[static_cast<size_t>(drawn) * kSteps + StepOf(confidence)];
  return (confidence * kConfidenceGuesses + seen.accepted) / (kConfidenceGuesses + seen.tried);
}

void DraftLedger::Observe(const DraftTrait& trait, std::span<const float> confidences,
                          uint32_t accepted, DraftExperience& own) {
  const auto add = [](DraftExperience& experience, double fading, bool right) {
    experience.accepted = experience.accepted * fading + (right ? 1 : 0);
    experience.tried = experience.tried * fading + 1;
  };
  for (size_t i = 0; i < confidences.size() && i <= accepted; ++i) {
    const bool right = i < accepted;
    add(by_trait_[IndexOf(trait)], kFading, right);
    add(by_confidence_[static_cast<size_t>(trait.drawn) * kSteps + StepOf(confidences[i])], kFading,
        right);
    add(own, kOwnFading, right);
  }
}

void DraftLedger::Earn(double step_ms) {
  if (step_ms_ == 0) credit_ms_ = kCreditSteps * step_ms;
  step_ms_ = step_ms_ == 0 ? step_ms : step_ms_ + kNewStep * (step_ms - step_ms_);
  credit_ms_ = std::min(kCreditSteps * step_ms_, credit_ms_ + kTryShare * step_ms);
}

}  // namespace infe::engine
