// The beginning of a step: each row's embedding, scaled, and the rotations of its position that the
// layers use. One phase, before which no row exists. Tensor: token_embd.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parts/head.h"
#include "model/parts/part.h"

namespace infe::model {

class EmbedPart : public Part {
 public:
  // head is borrowed: where it is tied to the embedding its panels are read.
  explicit EmbedPart(const HeadPart& head) : head_(head) {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  void Run(Lane& lane, const Step& step) const;

  const HeadPart& head_;
  RowTable rows_;  // [vocabulary, embedding], without data if the head is tied
};

}  // namespace infe::model
