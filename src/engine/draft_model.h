// A small model of the same vocabulary that guesses how texts go on, and the memory of what it has
// read of them. Each text that it follows has a place: the KV of its latest tokens. What was
// guessed wrongly is overwritten, whatever became of the text meanwhile (tokens refused, the
// sequence preempted, another one of the same id): before every step a place keeps what agrees with
// the text and nothing more. Places are given to whoever asks, the longest unused first; nothing
// that is lost costs more than reading it again.
//
// It reads the end of a text only: from kDraftTail tokens before its end on, up to kDraftPositions,
// then again from kDraftTail. So a long prompt costs no more than a short one, and memory is
// bounded by a number of this file.
//
// Engine thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/scheduler.h"
#include "engine/state_plan.h"
#include "engine/step_cost.h"
#include "model/model.h"
#include "model/plain_kv.h"
#include "tokenizer/token_id.h"

namespace infe::engine {

using tokenizer::TokenId;

// Texts that are followed at once. In larger batches a row costs too much for guesses of a model.
inline constexpr uint32_t kDraftPlaces = 4;
// Of the text's end, when its reading begins: a prompt's last instruction or a function's body.
inline constexpr uint32_t kDraftTail = 128;
// Of one place. Reading anew from kDraftTail costs a seventh of a row for each token in between.
inline constexpr uint32_t kDraftPositions = 1024;

class DraftModel {
 public:
  using Clock = std::function<TimePoint()>;

  // model is borrowed. Refuses a model that cannot take back what it has read.
  static Result<std::unique_ptr<DraftModel>> Create(model::StepModel& model, Clock clock);
  // What it computes with.
  const kernels::KernelTable& kernel_table() const { return model_.kernel_table(); }
  // Of all places.
  static size_t StateBytes(std::span<const model::StateGroup> groups);

  // A text by the number of its sequence, which no other one has.
  struct Text {
    uint64_t owner = 0;
    std::span<const TokenId> tokens;  // not empty
  };
  // Tokens to read before it can be said what follows; at least 1, the last one.
  uint32_t RowsBehind(const Text& text) const;

  // Reads the next `rows` tokens of a text (at most RowsBehind). If these are the last ones, the
  // logits of what follows are wanted.
  struct Item {
    Text text;
    uint32_t rows = 0;
    float inverse_temperature = 0;  // of the summaries
  };
  // One step over at most kDraftPlaces texts, each another one's. Returns milliseconds.
  double Read(std::span<const Item> items);
  // Of the i-th item of the last step that reached the end of its text, counted among those alone.
  const float* Logits(size_t i) const { return model_.logits() + i * model_.logits_stride(); }
  std::span<const model::LogitSummary> Summaries(size_t i, size_t spans) const;

  // Milliseconds that a step over so many texts with so many rows in all takes; 0: not known yet.
  double Predict(uint32_t texts, uint32_t rows) const;
  uint32_t vocabulary() const { return model_.config().vocabulary; }

 private:
  struct Place {
    uint64_t owner = 0;
    uint64_t used = 0;            // the step that used it last; 0: never
    uint32_t begin = 0;           // where in the text its reading began
    std::vector<TokenId> tokens;  // that were read, from there on
  };

  DraftModel(model::StepModel& model, Clock clock);
  Place* Find(uint64_t owner);
  const Place* Find(uint64_t owner) const;
  // Of the place's tokens, as many as the text agrees with; but its last token is always read.
  uint32_t Kept(const Place& place, std::span<const TokenId> text) const;
  // The owner's place, or the longest unused one, at what is to be read next.
  Place& Take(const Text& text);

  model::StepModel& model_;
  const Clock clock_;
  const uint32_t positions_;  // of a place
  model::PlainKv kv_;
  std::vector<Place> places_;
  StepCost cost_;
  uint64_t step_ = 0;
};

// Why memory that is planned so (memory_bytes: without a draft model) has no room for a draft
// model's state beside the model's own; empty: it has.
std::string WhyNoDraftState(std::span<const model::StateGroup> model,
                            std::span<const model::StateGroup> draft,
                            const StatePlanOptions& options);

}  // namespace infe::engine
