// A short convolution between two gates: out(C * conv(B * X)). Three phases:
//   1 the input and its projection to B, C and X
//   2 gate, convolution, gate, for some channels of each sequence
//   3 output projection, added to the stream
// The running state of a layer: the last taps - 1 values of B * X.
//
// Tensors: attn_norm, shortconv.{in_proj,conv,out_proj}. Liquid AI 2025.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

class ShortConvPart : public Part {
 public:
  explicit ShortConvPart(const LayerConfig& layer)
      : config_(std::get<ShortConvConfig>(layer.mixer)), add_{.scale = layer.residual_scale} {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  void In(Lane& lane, const Step& step) const;
  void Convolve(Lane& lane, const Step& step) const;
  void Out(Lane& lane, const Step& step) const;

  const ShortConvConfig config_;
  StreamAdd add_;

  const float* norm_ = nullptr;  // [embedding]
  kernels::PackedMatrix in_;     // [3 embedding, embedding]: B, C, X
  const float* taps_ = nullptr;  // [embedding][taps]
  kernels::PackedMatrix out_;    // [embedding, embedding]

  StateSlot slot_;
  BufferId in_rows_;  // [rows][3 embedding]
  BufferId mixed_;    // [rows][embedding]
  BufferId floats_;   // [rows][embedding], null unless the output projection reads floats
  BufferId activations_;
};

}  // namespace infe::model
