// From the logits of a step to tokens: draws them, lets grammars take them, keeps what of the
// drafts was right, and leaves each sequence with its tokens and what it has to report.
//
// Engine thread only, but for the rows that are sampled ahead on all workers.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/batch_plan.h"
#include "engine/grammar_desk.h"
#include "engine/lives.h"
#include "engine/model_drafts.h"
#include "engine/sampler.h"
#include "kernels/table.h"
#include "model/model.h"

namespace infe::engine {

class LogitsTaker {
 public:
  // All borrowed. model_drafts: null, no model drafts.
  LogitsTaker(const Lives::Shared& shared, const model::StepModel& model, Lives& lives,
              GrammarDesk& desk, ModelDrafts* model_drafts);

  // The model has just run the plan.
  void Take(const BatchPlan& plan, TimePoint now);

 private:
  // A row of logits to be sampled, and what came of it if that was done ahead.
  struct Row {
    Sequence* sequence = nullptr;
    const float* logits = nullptr;
    const MaskState* mask = nullptr;  // null: no grammar
    uint64_t position = 0;            // of the token to be drawn
    std::span<const model::LogitSummary> summaries;
    bool sampled = false;
    std::optional<TokenId> token;
    SampledToken report;  // with logprobs
  };

  void AddRows(const BatchEntry& entry, size_t first_row);
  void SampleAhead();
  void TakeEntry(const BatchEntry& entry, size_t row, std::span<Row> rows, TimePoint now);
  uint32_t TakeRows(const BatchEntry& entry, std::span<Row> rows, TimePoint now);
  void NoteDraft(const BatchEntry& entry, uint32_t accepted);
  void TakeHidden(Sequence& sequence, size_t row) const;
  void TakePromptLogprobs(Sequence& sequence, const BatchEntry& entry, const float* logits);
  SampleInput InputOf(const Row& row) const;
  Result<TokenId> SampleRow(Row& row);
  static std::optional<TokenId> GuidedToken(const Row& row);
  SampledToken ReportOf(Row& row, TokenId token);
  static void RestartRoom(Sequence& sequence);
  static void GiveRoom(Sequence& sequence);
  Result<bool> Closes(Sequence& sequence, TokenId token, const Constraint::Closing& closing,
                      Constraint::Fit least);
  Result<void> NoteCut(Sequence& sequence, const Constraint::Closing& closing, TokenId token);
  Result<TokenId> SampleClosing(Sequence& sequence, SampleInput input);
  Result<TokenId> SampleFinish(Sequence& sequence, SampleInput input,
                               const Constraint::Closing& closing);

  const Lives::Shared shared_;
  const model::StepModel& model_;
  Lives& lives_;
  GrammarDesk& desk_;
  ModelDrafts* const model_drafts_;
  const kernels::KernelTable& kernels_;
  std::vector<Sampler> samplers_;  // one per worker of the pool; the first is the engine thread's
  std::vector<Row> rows_;          // of the step under way
};

}  // namespace infe::engine
