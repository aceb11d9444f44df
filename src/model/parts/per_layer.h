// Per-layer embeddings: what each layer adds that the token alone says.
//
// The first part comes once, behind the embedding: for each layer some dimensions, half from a
// table by token, half from a projection of the embedding. The second ends each layer: a gate from
// the stream, times the layer's dimensions, projected back, normalised and added. Gemma Team 2025.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

// Two phases: 1 the table's rows; 2 the projection of each layer's dimensions, its norm, the sum.
// Tensors: per_layer_token_embd, per_layer_model_proj, per_layer_proj_norm.
class PerLayerInputsPart : public Part {
 public:
  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

  // Where layer `layer` finds its dimensions of a row of the step: [width].
  const float* Row(const Step& step, uint32_t row, uint32_t layer) const;

 private:
  void Look(Lane& lane, const Step& step) const;
  void Project(Lane& lane, const Step& step) const;
  uint32_t columns(const Step& step) const;

  RowTable table_;                    // [vocabulary, layers * width]
  kernels::PackedMatrix projection_;  // [layers * width, embedding]
  const float* norm_ = nullptr;       // [width]
  BufferId inputs_;                   // [rows][layers * width]
};

// Two phases: 1 the gate and its product with the layer's dimensions; 2 the projection back.
// Tensors: inp_gate, proj, post_norm.
class PerLayerPart : public Part {
 public:
  // inputs is borrowed.
  PerLayerPart(const LayerConfig& layer, uint32_t index, const PerLayerInputsPart& inputs)
      : index_(index), output_scale_(layer.output_scale), inputs_(inputs) {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  void Gate(Lane& lane, const Step& step) const;
  void Project(Lane& lane, const Step& step) const;
  kernels::Activations Gated(const Step& step, uint32_t rows) const;

  const uint32_t index_;
  const bool output_scale_;
  const PerLayerInputsPart& inputs_;
  StreamAdd add_;
  kernels::PackedMatrix gate_;        // [width, embedding]
  kernels::PackedMatrix projection_;  // [embedding, width]
  BufferId gated_;                    // [rows][width], null unless the projection reads floats
  BufferId activations_;
  BufferId own_row_;
};

}  // namespace infe::model
