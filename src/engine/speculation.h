// Drafts for one sequence, and how far they are to be trusted. A draft never changes the text: each
// of its tokens is sampled as if it were not there, and the draft only decides how many rows one
// Forward computes. docs/speculation.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/ngram_index.h"
#include "engine/step_cost.h"

namespace infe::engine {

enum class DraftSource : uint8_t { kLookupShort, kLookupLong, kPrediction, kForced, kModel };
// Those that a Speculator knows; of kModel the ModelDrafts keep books.
inline constexpr size_t kDraftSources = 4;

inline constexpr uint32_t kDraftMax = 16;  // tokens; beyond it another step costs little more

struct Draft {
  std::vector<TokenId> tokens;
  DraftSource source = DraftSource::kLookupShort;
  // Of kModel: how sure the draft model is of each token, and whether it was not expected to pay.
  std::vector<float> confidences = {};
  bool is_try = false;
};

class Speculator {
 public:
  explicit Speculator(std::vector<TokenId> prediction) : prediction_(std::move(prediction)) {}

  // A guess at what follows `tokens` (prompt and output so far), at most `count`.
  Draft Guess(std::span<const TokenId> tokens, uint32_t prompt_size, uint32_t count);
  // Chance that a draft token of this source is right, given that those before it are.
  double Acceptance(DraftSource source) const;
  void Observe(DraftSource source, uint32_t drafted, uint32_t accepted);
  // A step without a draft: bad experience is slowly forgotten, so that it is tried again.
  void Forget();
  // Follows the output through the prediction. Called for every token of the output.
  void OnToken(std::span<const TokenId> tokens, uint32_t prompt_size);

  uint32_t predicted_accepted() const { return predicted_accepted_; }
  uint32_t predicted_rejected() const {
    const auto size = static_cast<uint32_t>(prediction_.size());
    return size - std::min(size, predicted_accepted_);
  }

 private:
  struct Experience {
    double accepted = 0;
    double tried = 0;
  };
  std::vector<TokenId> prediction_;
  bool on_prediction_ = true;  // the output so far leads to prediction_[cursor_]
  uint32_t cursor_ = 0;
  uint32_t predicted_accepted_ = 0;
  NgramIndex text_index_;
  NgramIndex prediction_index_;
  std::array<Experience, kDraftSources> experience_{};
};

// How many tokens of each proposed draft are worth computing in a step of `decode` rows. A token is
// worth it while the tokens it is expected to add per cost exceed those of the step without it.
struct DraftProposal {
  double acceptance = 0;
  uint32_t length = 0;    // proposed
  uint32_t position = 0;  // of the first draft token
  // Rows that the next step computes again, besides the accepted tokens, if a token of the draft is
  // wrong: those of a running state. 0: there is none, and nothing is computed again.
  uint32_t redone_rows = 0;
  double token_ms = 0;  // what each costs beside Forward: the mask behind it
};
std::vector<uint32_t> PlanDrafts(std::span<const DraftProposal> proposals, const StepShape& decode,
                                 const StepCost& cost, uint32_t rows_max);

}  // namespace infe::engine
