#include "model/parts/dense_ffn.h"

#include "model/parts/activate.h"
#include "model/parts/product-inl.h"
#include "model/parts/residual.h"

namespace infe::model {

using kernels::Activations;
using kernels::kStripeRows;

Result<void> DenseFfnPart::Plan(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t width = config_.width;
  if (post_norms_) {
    INFE_TRY(t.Vector(plan.NormName(config_.post_norm), d, {}, &add_.post_norm));
  }
  if (output_scale_) {
    INFE_ASSIGN(add_.after, plan.OutputScale());
  }
  norm_.stays = stream_norms_;
  if (stream_norms_) INFE_TRY(PlanNorm(plan, plan.Name("attn_output_norm"), &norm_));
  if (pre_norms_) INFE_TRY(PlanNorm(plan, plan.Name(config_.pre_norm), &norm_));
  MatrixSpec gate{.name = plan.Name("ffn_gate.weight"), .rows = width, .cols = d};
  MatrixSpec up{.name = plan.Name("ffn_up.weight"), .rows = width, .cols = d};
  if (config_.fused_gate_up) {
    gate.name = up.name;
    gate.plane_rows = up.plane_rows = 2 * uint64_t{width};
    up.first_row = width;
  }
  if (gated()) INFE_TRY(t.Matrix(gate, &gate_));
  if (config_.bias) {
    INFE_TRY(t.Vector(plan.Name("ffn_up.bias"), width, {}, &up_bias_));
    INFE_TRY(t.Vector(plan.Name("ffn_down.bias"), d, {}, &add_.bias));
  }
  INFE_TRY(t.Matrix(up, &up_));
  INFE_TRY(t.Matrix({.name = plan.Name("ffn_down.weight"), .rows = d, .cols = width}, &down_));
  plan.float_products |= (gated() && kernels::IsFloat(gate_.type)) || kernels::IsFloat(up_.type);
  const size_t rows = plan.limits.rows_max;
  hidden_ = plan.scratch.shared.Floats("hidden", kernels::IsFloat(down_.type) ? rows * width : 0);
  activations_ = plan.scratch.shared.Bytes("hidden activations",
                                           kernels::ActivationsBytes(plan.limits.rows_max, width));
  own_row_ = plan.scratch.own.Floats("row", width);
  return {};
}

std::vector<Phase> DenseFfnPart::phases() const {
  return {{StepPart::kGateUp, RunPhase<DenseFfnPart, &DenseFfnPart::GateUp>},
          {StepPart::kDown, RunPhase<DenseFfnPart, &DenseFfnPart::Down>}};
}

Activations DenseFfnPart::Hidden(const Step& step, uint32_t rows) const {
  return kernels::MakeActivations(step.scratch.shared.Bytes(activations_), rows, config_.width,
                                  step.scratch.shared.Floats(hidden_));
}

void DenseFfnPart::GateUp(Lane& lane, const Step& step) const {
  const Activations input = Normalise(lane, step, norm_);
  const Activations out = Hidden(step, lane.rows);
  float* hidden = step.scratch.shared.Floats(hidden_);
  float* own_row = lane.own.Floats(own_row_);
  float* gate = lane.own.Floats(step.model.residual.tile_a);
  float* up = lane.own.Floats(step.model.residual.tile_b);
  ForTiles(lane, up_.stripes(), input.cols,
           [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
             const uint32_t at = s0 * kStripeRows;
             const uint32_t cols = (s1 - s0) * kStripeRows;
             if (gated()) Multiply(step, gate_, input, r0, r1, s0, s1, gate, cols);
             Multiply(step, up_, input, r0, r1, s0, s1, up, cols);
             for (uint32_t r = r0; r < r1; ++r) {
               // The activation of these columns lands where a whole row would have them.
               float* row = hidden == nullptr ? own_row : hidden + size_t{r} * config_.width;
               const size_t from = size_t{r - r0} * cols;
               if (up_bias_ != nullptr) step.kernels.add(up + from, up_bias_ + at, cols);
               Activate(step, config_.activation, gate + from, up + from, cols, row + at);
               step.kernels.quantise_row(row, at, at + cols, r, out);
             }
           });
}

void DenseFfnPart::Down(Lane& lane, const Step& step) const {
  AddToStream(lane, step, down_, Hidden(step, lane.rows), add_);
}

}  // namespace infe::model
