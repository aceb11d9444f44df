#include "model/parts/per_layer.h"

#include <cmath>

#include "model/parts/product-inl.h"

namespace infe::model {

using kernels::Activations;
using kernels::kStripeRows;

Result<void> PerLayerInputsPart::Plan(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const ModelConfig& config = plan.config;
  const uint32_t width = config.per_layer_width;
  const uint32_t columns = width * static_cast<uint32_t>(config.layers.size());
  INFE_TRY(t.Rows("per_layer_token_embd.weight", config.vocabulary, columns, &table_));
  INFE_TRY(
      t.Matrix({.name = "per_layer_model_proj.weight", .rows = columns, .cols = config.embedding},
               &projection_));
  INFE_TRY(t.Vector("per_layer_proj_norm.weight", width, {}, &norm_));
  plan.float_products |= kernels::IsFloat(projection_.type);
  inputs_ = plan.scratch.shared.Floats("per-layer inputs", size_t{plan.limits.rows_max} * columns);
  plan.scratch.own.Floats("tile a", width);
  return {};
}

std::vector<Phase> PerLayerInputsPart::phases() const {
  return {{StepPart::kEmbed, RunPhase<PerLayerInputsPart, &PerLayerInputsPart::Look>},
          {StepPart::kEmbed, RunPhase<PerLayerInputsPart, &PerLayerInputsPart::Project>}};
}

uint32_t PerLayerInputsPart::columns(const Step& step) const {
  return step.model.config.per_layer_width * static_cast<uint32_t>(step.model.config.layers.size());
}

const float* PerLayerInputsPart::Row(const Step& step, uint32_t row, uint32_t layer) const {
  return step.scratch.shared.Floats(inputs_) + size_t{row} * columns(step) +
         size_t{layer} * step.model.config.per_layer_width;
}

void PerLayerInputsPart::Look(Lane& lane, const Step& step) const {
  const uint32_t n = columns(step);
  const float scale = std::sqrt(static_cast<float>(step.model.config.per_layer_width));
  float* inputs = step.scratch.shared.Floats(inputs_);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    float* row = inputs + size_t{r} * n;
    table_.Read(step.plan.rows[r].token, row);
    step.kernels.scale(row, scale, n);
  }
}

void PerLayerInputsPart::Project(Lane& lane, const Step& step) const {
  const ModelConfig& config = step.model.config;
  const uint32_t width = config.per_layer_width;
  const uint32_t stripes = width / kStripeRows;
  const Activations input = Normalise(lane, step, nullptr);
  const uint32_t rows = RowsPerTile(lane.rows, width, input.cols);
  const float scale = 1 / std::sqrt(static_cast<float>(config.embedding));
  float* inputs = step.scratch.shared.Floats(inputs_);
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  Share(lane, static_cast<uint32_t>(config.layers.size()), [&](uint32_t begin, uint32_t end) {
    for (uint32_t l = begin; l < end; ++l) {
      for (uint32_t r0 = 0; r0 < lane.rows; r0 += rows) {
        const uint32_t r1 = std::min(r0 + rows, lane.rows);
        Multiply(step, projection_, input, r0, r1, l * stripes, (l + 1) * stripes, tile, width);
        for (uint32_t r = r0; r < r1; ++r) {
          float* x = tile + size_t{r - r0} * width;
          float* to = inputs + size_t{r} * columns(step) + size_t{l} * width;
          step.kernels.scale(x, scale, width);
          step.kernels.rms_norm(x, norm_, config.rms_epsilon, width, x);
          step.kernels.add(to, x, width);
          step.kernels.scale(to, std::sqrt(0.5F), width);
        }
      }
    }
  });
}

Result<void> PerLayerPart::Plan(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t width = plan.config.per_layer_width;
  INFE_TRY(t.Matrix({.name = plan.Name("inp_gate.weight"), .rows = width, .cols = d}, &gate_));
  INFE_TRY(t.Matrix({.name = plan.Name("proj.weight"), .rows = d, .cols = width}, &projection_));
  INFE_TRY(t.Vector(plan.Name("post_norm.weight"), d, {}, &add_.post_norm));
  if (output_scale_) {
    INFE_ASSIGN(add_.after, plan.OutputScale());
  }
  plan.float_products |= kernels::IsFloat(gate_.type);
  const size_t rows = plan.limits.rows_max;
  gated_ = plan.scratch.shared.Floats("per-layer gated",
                                      kernels::IsFloat(projection_.type) ? rows * width : 0);
  activations_ = plan.scratch.shared.Bytes("per-layer activations",
                                           kernels::ActivationsBytes(plan.limits.rows_max, width));
  own_row_ = plan.scratch.own.Floats("row", width);
  return {};
}

std::vector<Phase> PerLayerPart::phases() const {
  return {{StepPart::kGateUp, RunPhase<PerLayerPart, &PerLayerPart::Gate>},
          {StepPart::kDown, RunPhase<PerLayerPart, &PerLayerPart::Project>}};
}

Activations PerLayerPart::Gated(const Step& step, uint32_t rows) const {
  return kernels::MakeActivations(step.scratch.shared.Bytes(activations_), rows,
                                  step.model.config.per_layer_width,
                                  step.scratch.shared.Floats(gated_));
}

void PerLayerPart::Gate(Lane& lane, const Step& step) const {
  const Activations input = Normalise(lane, step, nullptr);
  const uint32_t width = step.model.config.per_layer_width;
  const Activations out = Gated(step, lane.rows);
  float* gated = step.scratch.shared.Floats(gated_);
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  ForTiles(
      lane, gate_.stripes(), input.cols, [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
        const uint32_t at = s0 * kStripeRows;
        const uint32_t cols = (s1 - s0) * kStripeRows;
        Multiply(step, gate_, input, r0, r1, s0, s1, tile, cols);
        for (uint32_t r = r0; r < r1; ++r) {
          const uint32_t step_row = lane.only_wanted ? step.plan.wanted[r].row : r;
          float* row = gated == nullptr ? lane.own.Floats(own_row_) : gated + size_t{r} * width;
          step.kernels.geglu(tile + size_t{r - r0} * cols, inputs_.Row(step, step_row, index_) + at,
                             cols, row + at);
          step.kernels.quantise_row(row, at, at + cols, r, out);
        }
      });
}

void PerLayerPart::Project(Lane& lane, const Step& step) const {
  AddToStream(lane, step, projection_, Gated(step, lane.rows), add_);
}

}  // namespace infe::model
