// The gated feed-forward part: down(activation(gate x) * up x). Two phases:
//   1 the input, gate and up; then the activation, and quantise
//   2 down projection, added to the stream
// Or, without a gate: down(activation(up x + b) + b').
// Tensors: ffn_norm, ffn_{gate,up,down} (fused: ffn_up holds both, gate first), post_ffw_norm; of
// norms of the stream attn_output_norm, the one behind attention. Shazeer 2020.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

class DenseFfnPart : public Part {
 public:
  explicit DenseFfnPart(const LayerConfig& layer)
      : DenseFfnPart(layer, std::get<DenseFfnConfig>(layer.feed_forward)) {}
  // As part of another one.
  DenseFfnPart(const LayerConfig& layer, const DenseFfnConfig& config)
      : config_(config),
        output_scale_(layer.output_scale),
        pre_norms_(layer.pre_norms),
        post_norms_(layer.post_norms),
        stream_norms_(layer.stream_norms),
        add_{.scale = layer.residual_scale} {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

  // [embedding]: of what the part puts out; null without.
  const float* post_norm() const { return add_.post_norm; }

  void GateUp(Lane& lane, const Step& step) const;
  void Down(Lane& lane, const Step& step) const;

 private:
  bool gated() const { return IsGated(config_.activation); }
  kernels::Activations Hidden(const Step& step, uint32_t rows) const;

  const DenseFfnConfig config_;
  const bool output_scale_;
  const bool pre_norms_;
  const bool post_norms_;
  const bool stream_norms_;
  StreamAdd add_;

  StreamNorm norm_;
  kernels::PackedMatrix gate_, up_;  // [width, embedding]
  const float* up_bias_ = nullptr;   // [width], null without
  kernels::PackedMatrix down_;       // [embedding, width]

  BufferId hidden_;  // [rows][width], null unless the down projection reads floats
  BufferId activations_;
  BufferId own_row_;
};

}  // namespace infe::model
