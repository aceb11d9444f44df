// The end of a model that writes no text: the rows of each text, normalised, become one. One phase.
// Tensors: output_norm; of norms of the stream the last layer's layer_output_norm.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

class PoolPart : public Part {
 public:
  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

  // What an item may want of the model. If positions see only those before them and the last row
  // stands for the text, the text may be cut, and its beginning be known: kHidden. Else kPooled.
  Output output() const { return output_; }
  // Results of a step, one for each item that wants one, in their order: [rows][hidden_size].
  const float* hidden(const Scratch& scratch) const { return scratch.shared.Floats(hidden_); }
  size_t hidden_size() const { return size_; }

 private:
  void Run(Lane& lane, const Step& step) const;
  void PoolRows(const Step& step, const float* rows, uint32_t count, float* out) const;

  StreamNorm norm_;
  Output output_ = Output::kPooled;
  size_t size_ = 0;
  BufferId hidden_;
};

}  // namespace infe::model
