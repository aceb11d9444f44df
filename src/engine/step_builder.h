// Forms the batch of a step: decode rows with their drafts, then prefill chunks within the time
// budget, then blocks for all of it (evicting, then preempting). The scheduler decides, this acts.
// Beside the plan it leaves only what belongs to sequences: tokens that their grammars force, and
// the blocks.
//
// Engine thread only.
#pragma once

#include <optional>
#include <vector>

#include "engine/batch_plan.h"
#include "engine/grammar_desk.h"
#include "engine/lives.h"
#include "engine/model_drafts.h"

namespace infe::engine {

class StepBuilder {
 public:
  // All borrowed. model_drafts: null, no model drafts.
  StepBuilder(const Lives::Shared& shared, Lives& lives, GrammarDesk& desk,
              ModelDrafts* model_drafts)
      : shared_(shared), lives_(lives), desk_(desk), model_drafts_(model_drafts) {}

  // Empty: nothing can run.
  BatchPlan Build(TimePoint now);

 private:
  // Prompts that are about to compute the same block of the same prefix.
  struct PrefixGroup {
    Sequence* leader = nullptr;
    PrefillView view;  // of all of them
  };

  void ShareOut(TimePoint now);
  void NamePrompts();
  void ChooseResting(TimePoint now);
  PrefillView ViewOf(const Sequence& sequence) const;
  void PrepareNext(Sequence& sequence);
  bool KnowsClosing(Sequence& sequence);
  static BatchEntry EntryOf(Sequence& sequence, uint32_t rows, bool samples);
  void AddDecodes(BatchPlan& plan);
  void AddDrafts(BatchPlan& plan);
  DraftProposal Propose(BatchEntry& entry);
  Draft MakeDraft(Sequence& sequence, uint32_t room);
  void CutDraft(BatchEntry& entry, uint32_t length);
  void MakeDraftMasks(BatchEntry& entry);
  std::vector<PrefixGroup> GroupPrompts();
  bool Join(PrefixGroup& group, Sequence& sequence, const PrefillView& view);
  void AddPrefills(BatchPlan& plan, TimePoint now);
  void ReserveBlocks(BatchPlan& plan);
  bool ReserveFor(BatchEntry& entry);
  static void SetMasks(BatchEntry& entry);

  const Lives::Shared shared_;
  Lives& lives_;
  GrammarDesk& desk_;
  ModelDrafts* const model_drafts_;
  std::optional<TimePoint> shared_at_;  // when several keys had a part of the batch last
  double mask_ms_ = 0;                  // a mask behind a draft token takes so long, lately
  std::optional<double> urgent_share_;  // of prompts that others should make way for, in this step
};

}  // namespace infe::engine
