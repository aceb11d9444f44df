// The beginning of a step: each row's embedding, scaled, with what is learnt of its position and of
// the type of its token (first or second text), and the rotations of its position that the layers
// use. One phase, before which no row exists. Tensors: token_embd, position_embd, token_types.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parts/head.h"
#include "model/parts/part.h"

namespace infe::model {

class EmbedPart : public Part {
 public:
  // head is borrowed: where it is tied to the embedding its panels are read. Null: there is none.
  explicit EmbedPart(const HeadPart* head) : head_(head) {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  void Run(Lane& lane, const Step& step) const;

  const HeadPart* head_;
  RowTable rows_;       // [vocabulary, embedding], without data if the head is tied
  RowTable positions_;  // [context, embedding], without data if the model has none
  RowTable types_;      // [types, embedding], the same
  BufferId own_row_;
};

}  // namespace infe::model
