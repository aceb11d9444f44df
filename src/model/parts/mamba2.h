// Mamba 2: each head keeps a matrix from keys to values, which decays by a scalar. Four phases:
//   1 the input and its projection: gate z; values, keys and queries; time steps
//   2 convolution and SiLU of values, keys and queries
//   3 the recurrence of each head of each sequence, token by token
//   4 gate, then a norm over each group of heads, if there is one; output projection, added to the
//     stream
// The running state of a layer: the last conv_taps - 1 inputs of the convolution, then the
// matrices.
//
// Tensors: attn_norm, ssm_in, ssm_conv1d (and its bias), ssm_dt.bias, ssm_a, ssm_d, ssm_norm,
// ssm_out. Dao & Gu 2024.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

class Mamba2Part : public Part {
 public:
  Mamba2Part(const LayerConfig& layer, const Mamba2Config& config)
      : config_(config), add_{.scale = layer.residual_scale} {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  void PlanBuffers(PartPlan& plan);
  void In(Lane& lane, const Step& step) const;
  void Convolve(Lane& lane, const Step& step) const;
  void Recur(Lane& lane, const Step& step) const;
  void Out(Lane& lane, const Step& step) const;
  void RecurHead(const Step& step, uint32_t item, uint32_t head) const;
  void MakeGates(const Step& step, uint32_t row) const;

  uint32_t head_dim() const { return config_.inner / config_.heads; }
  uint32_t channels() const { return config_.inner + 2 * config_.groups * config_.state; }
  uint32_t projected() const { return config_.inner + channels() + config_.heads; }
  uint32_t stride() const;

  const Mamba2Config config_;
  StreamAdd add_;

  const float* norm_ = nullptr;        // [embedding]
  kernels::PackedMatrix in_;           // [projected, embedding]
  const float* taps_ = nullptr;        // [channels][conv_taps]
  const float* conv_bias_ = nullptr;   // [channels], null without
  const float* dt_bias_ = nullptr;     // [heads]
  const float* a_ = nullptr;           // [heads], negative
  const float* skip_ = nullptr;        // [heads]
  const float* group_norm_ = nullptr;  // [inner], null without
  kernels::PackedMatrix out_;          // [embedding, inner]

  StateSlot slot_;
  BufferId in_rows_;  // [rows][stride]: z, values, keys, queries, time steps
  BufferId gates_;    // [rows][2 heads]: decays, then rates
  BufferId mixed_;    // [rows][inner]
  BufferId floats_;   // [rows][inner], null unless the output projection reads floats
  BufferId activations_;
};

}  // namespace infe::model
