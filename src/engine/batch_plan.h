// What one step computes, as a value: made by the StepBuilder, run by the model, read by the
// LogitsTaker. Valid for that step: items borrow their sequences and the masks of these.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/constraint.h"
#include "engine/sequence.h"
#include "engine/speculation.h"
#include "engine/step_cost.h"

namespace infe::engine {

// One sequence's part: tokens[held.computed, held.computed + rows), then its draft.
struct BatchEntry {
  Sequence* sequence = nullptr;
  uint32_t rows = 0;
  bool samples = false;         // reaches the end of the tokens: a token is drawn behind them
  bool reports_prompt = false;  // every row gets its logits, for the prompt's logprobs
  // Reaches the end of a prompt of which something other than logits is wanted.
  bool embeds = false;
  Draft draft;
  const MaskState* mask = nullptr;     // of the token to be drawn; null: no grammar, or none drawn
  std::vector<MaskState> draft_masks;  // behind each token of the draft, with a grammar
  std::vector<TokenId> head_rows;      // rows of the head that are enough, sorted; empty: all
  bool summarised = false;             // the model summarises its rows of logits

  uint32_t drafted() const { return static_cast<uint32_t>(draft.tokens.size()); }
  uint32_t all_rows() const { return rows + drafted(); }
  // Rows that tokens are drawn from: the last ones of those with logits.
  uint32_t sampled_rows() const { return samples ? 1 + drafted() : 0; }
  // Of the model's result: of logits, or the one of what else is wanted.
  uint32_t logits_rows() const { return reports_prompt ? rows : embeds ? 1 : sampled_rows(); }
  // The mask of the i-th of them; null: no grammar.
  const MaskState* MaskOf(uint32_t i) const {
    return mask == nullptr || i == 0 ? mask : &draft_masks[i - 1];
  }
  void DropDraft() {
    draft = {};
    draft_masks.clear();
  }
};

struct BatchPlan {
  std::vector<BatchEntry> entries;

  StepShape Shape() const {
    StepShape shape;
    for (const BatchEntry& entry : entries) {
      const uint32_t rows = entry.all_rows();
      shape.rows += rows;
      shape.attended += rows * (entry.sequence->held.computed + rows / 2.0);
      shape.logits_rows += entry.logits_rows();
    }
    return shape;
  }
};

}  // namespace infe::engine
