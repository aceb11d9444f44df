// When guesses of a draft model pay, as far as experience tells: pure bookkeeping, no model.
//
// A guess costs a pass of the draft model and a row of the step; what it wins is the part of a step
// that one more token takes. So it depends on how often guesses are right, and that on the text:
// learnt by how sure the model itself has lately been of its tokens (a text that could go on in
// many ways is guessed by nobody), whether they are drawn, and whether a grammar is there; then by
// the sequence's own guesses. Within a draft, by how sure the draft model is of each token.
//
// Where experience says nothing yet, or that it does not pay, a guess is a try. Tries are paid from
// a credit of kTryShare of the time spent decoding: so an engine is never slower by more, whatever
// the texts are, and it still finds out when they change.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace infe::engine {

// What a sequence's guesses are compared with.
struct DraftTrait {
  enum class Drawn : uint8_t { kGreedy, kDrawn } drawn = Drawn::kGreedy;
  enum class Form : uint8_t { kFree, kGrammar } form = Form::kFree;
  float certainty = 0;  // of the model, of its likeliest token, lately
};

// Fading counts of guesses that were looked at, and of those that were right.
struct DraftExperience {
  double accepted = 0;
  double tried = 0;
};

class DraftLedger {
 public:
  static constexpr double kTryShare = 0.01;
  // In steps; at the start, and at most: reading a text and some dozen guesses, so that an engine
  // finds out at once whether it pays.
  static constexpr double kCreditSteps = 20;

  // Chance that the next guess is right, before it is made.
  double Acceptance(const DraftTrait& trait, const DraftExperience& own) const;
  // And after, given the draft model's own probability of it.
  double Chance(DraftTrait::Drawn drawn, float confidence) const;
  // The first `accepted` of the guesses were right; if there are more, the next one was wrong.
  void Observe(const DraftTrait& trait, std::span<const float> confidences, uint32_t accepted,
               DraftExperience& own);

  // A step of decoding took so long.
  void Earn(double step_ms);
  bool CanTry(double ms) const { return credit_ms_ >= ms; }
  void Spend(double ms) { credit_ms_ -= ms; }  // negative: it was won back
  double credit_ms() const { return credit_ms_; }

 private:
  static constexpr size_t kSteps = 8;  // of certainty, of confidence
  static size_t StepOf(float probability);
  static size_t IndexOf(const DraftTrait& trait);

  std::array<DraftExperience, 4 * kSteps> by_trait_{};
  std::array<DraftExperience, 2 * kSteps> by_confidence_{};
  double step_ms_ = 0;    // lately; 0: not known yet
  double credit_ms_ = 0;  // set by the first step
};

}  // namespace infe::engine
