// Drafts by a draft model, for the sequences of a step that have none yet: who is read, who is
// guessed at, how far, and what came of it. docs/speculation.md has the reasons.
//
// Engine thread only.
#pragma once

#include <memory>
#include <vector>

#include "engine/batch_plan.h"
#include "engine/draft_ledger.h"
#include "engine/draft_model.h"
#include "engine/grammar_desk.h"
#include "engine/lives.h"
#include "engine/sampler.h"

namespace infe::engine {

// Guesses of a model for one step; each costs a pass over its weights.
inline constexpr uint32_t kModelDraftMax = 4;

class ModelDrafts {
 public:
  ModelDrafts(const Lives::Shared& shared, std::unique_ptr<DraftModel> model, const Lives& lives,
              const GrammarDesk& desk);

  // Gives drafts to entries without one. Their masks are still to be made.
  void Add(BatchPlan& plan);
  // The logits behind a sequence's tokens, before the next one is drawn: now and then looked at.
  void NoteLogits(Sequence& sequence, const float* logits);
  // What came of a draft of ours.
  void Observe(const BatchEntry& entry, uint32_t accepted);
  // The plan's step, without the draft model's part, took so long.
  void NoteStep(const BatchPlan& plan, double ms);

  const DraftLedger& ledger() const { return ledger_; }

 private:
  // One sequence that may be guessed at in this step.
  struct Guess {
    BatchEntry* entry = nullptr;
    std::vector<TokenId> text;  // the sequence's, then the draft
    uint32_t rows = 0;          // to read next
    uint32_t room = 0;
    double acceptance = 0;
    double chance = 1;                // that all of the draft so far is right
    std::vector<double> chances;      // that the draft is right up to each of its tokens
    const MaskState* mask = nullptr;  // of the next token
    std::vector<MaskState> masks;     // along the draft
    bool done = false;
  };
  // What the step costs without and with one more row, in milliseconds.
  struct Prices {
    double token_ms = 0;  // of the step, for each token it makes
    double row_ms = 0;
  };

  bool Suits(const BatchEntry& entry) const;
  bool SomebodyWaits() const;
  Prices PricesOf(const BatchPlan& plan) const;
  Guess MakeGuess(BatchEntry& entry, uint32_t room, const Prices& prices);
  uint32_t Horizon(const Sequence& sequence) const;
  bool ReadingPays(const Guess& guess, const Prices& prices, double ms) const;
  void ReadAhead(Guess& guess, const Prices& prices);
  bool Pays(const std::vector<Guess*>& guesses, const Prices& prices) const;
  void GuessAll(std::vector<Guess>& guesses, const Prices& prices);
  double ReadAll(const std::vector<Guess*>& guesses);
  void TakeGuess(Guess& guess, size_t row);
  bool SetMask(Guess& guess);
  static void Shorten(Guess& guess, const Prices& prices);
  DraftModel::Text TextOf(const Guess& guess) const;
  DraftTrait TraitOf(const Sequence& sequence) const;
  float Probability(const Sequence& sequence, const float* logits, uint32_t vocabulary,
                    const TokenId* token) const;

  const Lives::Shared shared_;
  const std::unique_ptr<DraftModel> model_;
  const Lives& lives_;
  const GrammarDesk& desk_;
  const kernels::KernelTable& kernels_;
  Sampler sampler_;
  DraftLedger ledger_;
};

}  // namespace infe::engine
