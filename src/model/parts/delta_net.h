// Gated delta net: each head keeps a matrix from keys to values, which decays, and which every
// token corrects at its key. Four phases:
//   1 the input and all of its projections: Q, K and V; the gate z; beta and alpha
//   2 convolution and SiLU of each head of Q, K and V, then Q and K to unit length; decays and
//   rates 3 the recurrence of each head of each sequence, token by token; then its norm and gate 4
//   output projection, added to the stream
// The running state of a layer: the last conv_taps - 1 inputs of the convolution, then the
// matrices.
//
// Tensors: attn_norm, attn_qkv, attn_gate, ssm_{beta,alpha} (fused: ssm_ba), ssm_conv1d, ssm_a,
// ssm_dt.bias, ssm_norm, ssm_out. Yang et al. 2024.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

class DeltaNetPart : public Part {
 public:
  explicit DeltaNetPart(const LayerConfig& layer)
      : config_(std::get<DeltaNetConfig>(layer.mixer)), add_{.scale = layer.residual_scale} {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  Result<void> PlanTensors(PartPlan& plan);
  Result<void> PlanGates(PartPlan& plan);
  void PlanBuffers(PartPlan& plan);

  void In(Lane& lane, const Step& step) const;
  void Convolve(Lane& lane, const Step& step) const;
  void Recur(Lane& lane, const Step& step) const;
  void Out(Lane& lane, const Step& step) const;

  void ConvolveHead(const Step& step, uint32_t item, uint32_t head) const;
  void RecurHead(const Step& step, uint32_t item, uint32_t head) const;
  void MakeGates(const Step& step, uint32_t row) const;

  uint32_t inner() const { return config_.value_heads * config_.head_dim; }
  uint32_t channels() const { return 2 * config_.key_heads * config_.head_dim + inner(); }
  uint32_t key_head(uint32_t value_head) const {
    return config_.runs_of_heads ? value_head / (config_.value_heads / config_.key_heads)
                                 : value_head % config_.key_heads;
  }

  const DeltaNetConfig config_;
  StreamAdd add_;

  const float* norm_ = nullptr;          // [embedding]
  kernels::PackedMatrix qkv_;            // [channels, embedding]
  kernels::PackedMatrix z_;              // [inner, embedding]
  kernels::PackedMatrix beta_, alpha_;   // [value heads, embedding]
  const float* taps_ = nullptr;          // [channels][conv_taps]
  const float* a_ = nullptr;             // [value heads], negative
  const float* dt_bias_ = nullptr;       // [value heads]
  const float* head_norm_ = nullptr;     // [head_dim]
  const float* key_length_ = nullptr;    // [head_dim]: what makes an RMSNorm a division by length
  const float* query_length_ = nullptr;  // ... and by the root of head_dim
  kernels::PackedMatrix out_;            // [embedding, inner]

  StateSlot slot_;
  BufferId qkv_rows_;    // [rows][channels]
  BufferId z_rows_;      // [rows][inner]
  BufferId beta_rows_;   // [rows][padded value heads]: then rates
  BufferId alpha_rows_;  // ... and decays
  BufferId mixed_;       // [rows][inner]
  BufferId floats_;      // [rows][inner], null unless the output projection reads floats
  BufferId activations_;
};

}  // namespace infe::model
