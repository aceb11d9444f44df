#include "engine/speculation.h"

#include <algorithm>

namespace infe::engine {
namespace {

// Acceptance assumed before experience, with the weight of kPriorTokens tokens.
constexpr std::array<double, kDraftSources> kPrior = {0.5, 0.8, 0.85, 0.9};
constexpr double kPriorTokens = 3;
constexpr double kFading = 0.85;          // of experience, per draft
constexpr double kForgetting = 1.0 / 32;  // of experience, per step without a draft
constexpr uint32_t kLongMatch = 6;
// A draft must promise this much more than it costs. In a batch the cost of one more row is a small
// difference of two measured steps, and drafts follow its errors: more is asked of them.
constexpr double kMargin = 1.1;
constexpr double kMarginBatch = 1.3;
constexpr uint32_t kBatchRows = 3;  // from here on

}  // namespace

Draft Speculator::Guess(std::span<const TokenId> tokens, uint32_t prompt_size, uint32_t count) {
  const auto take = [&](std::span<const TokenId> from, uint32_t position, DraftSource source) {
    const auto rest = from.subspan(std::min<size_t>(position, from.size()));
    const auto part = rest.first(std::min<size_t>(count, rest.size()));
    return Draft{{part.begin(), part.end()}, source};
  };
  if (count == 0) return {};
  if (!prediction_.empty()) {
    if (!on_prediction_) {
      prediction_index_.Extend(prediction_);
      const auto output = tokens.subspan(prompt_size);
      if (const auto match = prediction_index_.Find(prediction_, output); match.length > 0) {
        on_prediction_ = true;
        cursor_ = match.position;
      }
    }
    if (on_prediction_ && cursor_ < prediction_.size()) {
      return take(prediction_, cursor_, DraftSource::kPrediction);
    }
  }
  text_index_.Extend(tokens);
  const auto match = text_index_.Find(tokens, tokens);
  if (match.length == 0) return {};
  return take(tokens, match.position,
              match.length >= kLongMatch ? DraftSource::kLookupLong : DraftSource::kLookupShort);
}

double Speculator::Acceptance(DraftSource source) const {
  const auto s = static_cast<size_t>(source);
  const Experience& experience = experience_[s];
  return (kPrior[s] * kPriorTokens + experience.accepted) / (kPriorTokens + experience.tried);
}

void Speculator::Observe(DraftSource source, uint32_t drafted, uint32_t accepted) {
  Experience& experience = experience_[static_cast<size_t>(source)];
  experience.accepted = experience.accepted * kFading + accepted;
  experience.tried = experience.tried * kFading + std::min(drafted, accepted + 1);
}

void Speculator::Forget() {
  for (Experience& experience : experience_) {
    experience.accepted *= 1 - kForgetting;
    experience.tried *= 1 - kForgetting;
  }
}

void Speculator::OnToken(std::span<const TokenId> tokens, uint32_t prompt_size) {
  if (prediction_.empty()) return;
  if (!on_prediction_) {
    prediction_index_.Extend(prediction_);
    const auto before = tokens.subspan(prompt_size, tokens.size() - prompt_size - 1);
    if (const auto match = prediction_index_.Find(prediction_, before); match.length > 0) {
      on_prediction_ = true;
      cursor_ = match.position;
    }
  }
  if (!on_prediction_) return;
  if (cursor_ < prediction_.size() && prediction_[cursor_] == tokens.back()) {
    ++cursor_;
    ++predicted_accepted_;
  } else {
    on_prediction_ = false;
  }
}

std::vector<uint32_t> PlanDrafts(std::span<const DraftProposal> proposals, const StepShape& decode,
                                 const StepCost& cost, uint32_t rows_max) {
  std::vector<uint32_t> lengths(proposals.size(), 0);
  StepShape shape = decode;
  double ms = cost.Predict(shape);
  if (!(ms > 0)) return lengths;                            // nothing known yet
  double tokens = std::max<double>(1, decode.logits_rows);  // expected of the step
  double beside_ms = 0;
  const double margin = decode.logits_rows < kBatchRows ? kMargin : kMarginBatch;
  // What a row computed again costs, beside what a step computes anyway.
  StepShape one_more = decode;
  one_more.rows += 1;
  const double redone_ms = std::max(0.0, cost.Predict(one_more) - ms);
  std::vector<double> chance(proposals.size());
  for (size_t i = 0; i < proposals.size(); ++i) chance[i] = proposals[i].acceptance;
  while (shape.logits_rows < rows_max) {
    // The likeliest next draft token of all sequences.
    size_t best = proposals.size();
    for (size_t i = 0; i < proposals.size(); ++i) {
      if (lengths[i] >= proposals[i].length) continue;
      if (best == proposals.size() || chance[i] > chance[best]) best = i;
    }
    if (best == proposals.size()) break;
    StepShape longer = shape;
    longer.rows += 1;
    longer.logits_rows += 1;
    longer.attended += proposals[best].position + lengths[best];
    beside_ms += proposals[best].token_ms;
    if (proposals[best].redone_rows > 0) {
      // That all before it are right and this one is wrong: its predecessors are computed again.
      const double wrong = chance[best] * (1 / proposals[best].acceptance - 1);
      beside_ms += wrong * (proposals[best].redone_rows + lengths[best]) * redone_ms;
    }
    const double longer_ms = cost.Predict(longer) + beside_ms;
    if (!(chance[best] * ms > margin * tokens * std::max(0.0, longer_ms - ms))) break;
    tokens += chance[best];
    chance[best] *= proposals[best].acceptance;
    ++lengths[best];
    shape = longer;
    ms = longer_ms;
  }
  return lengths;
}

}  // namespace infe::engine
