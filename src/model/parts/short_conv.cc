#include "model/parts/short_conv.h"

#include "model/parts/product-inl.h"
#include "model/parts/running.h"

namespace infe::model {

using kernels::Activations;
using kernels::kStripeRows;

Result<void> ShortConvPart::Plan(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  INFE_TRY(t.Vector(plan.Name("attn_norm.weight"), d, {}, &norm_));
  INFE_TRY(
      t.Matrix({.name = plan.Name("shortconv.in_proj.weight"), .rows = 3 * d, .cols = d}, &in_));
  INFE_TRY(t.Grid(plan.Name("shortconv.conv.weight"), config_.taps, d, &taps_));
  INFE_TRY(t.Matrix({.name = plan.Name("shortconv.out_proj.weight"), .rows = d, .cols = d}, &out_));
  plan.float_products |= kernels::IsFloat(in_.type);
  plan.state.Need(
      plan.layer,
      {.kind = StateKind::kRunning, .bytes = size_t{config_.taps - 1} * d * sizeof(float)}, &slot_);
  const size_t rows = plan.limits.rows_max;
  in_rows_ = plan.scratch.shared.Floats("running in", rows * 3 * d);
  mixed_ = plan.scratch.shared.Floats("running out", rows * d);
  floats_ =
      plan.scratch.shared.Floats("running floats", kernels::IsFloat(out_.type) ? rows * d : 0);
  activations_ = plan.scratch.shared.Bytes("running activations",
                                           kernels::ActivationsBytes(plan.limits.rows_max, d));
  return {};
}

std::vector<Phase> ShortConvPart::phases() const {
  return {{StepPart::kQkv, RunPhase<ShortConvPart, &ShortConvPart::In>},
          {StepPart::kAttention, RunPhase<ShortConvPart, &ShortConvPart::Convolve>},
          {StepPart::kOutput, RunPhase<ShortConvPart, &ShortConvPart::Out>, true}};
}

void ShortConvPart::In(Lane& lane, const Step& step) const {
  const Activations input = Normalise(lane, step, norm_);
  const PlannedProduct product = {&in_, step.scratch.shared.Floats(in_rows_),
                                  3 * size_t{step.model.config.embedding}};
  MultiplyAll(lane, step, input, {&product, 1});
}

void ShortConvPart::Convolve(Lane& lane, const Step& step) const {
  const uint32_t d = step.model.config.embedding;
  const uint32_t blocks = d / kStripeRows;
  const uint32_t items = static_cast<uint32_t>(step.batch.items.size());
  float* mixed = step.scratch.shared.Floats(mixed_);
  Share(lane, items * blocks, [&](uint32_t begin, uint32_t end) {
    for (uint32_t unit = begin; unit < end; ++unit) {
      const uint32_t item = unit / blocks;
      const uint32_t at = unit % blocks * kStripeRows;
      const ItemRows rows = RowsOf(step, item);
      const auto in = [&](uint32_t r, uint32_t which) {
        return step.scratch.shared.Floats(in_rows_) + (size_t{r} * 3 + which) * d + at;
      };
      for (uint32_t r = rows.first; r < rows.first + rows.count; ++r) {
        float* out = mixed + size_t{r} * d + at;
        for (uint32_t c = 0; c < kStripeRows; ++c) out[c] = in(r, 0)[c] * in(r, 2)[c];
      }
      model::Convolve({.taps = taps_, .count = config_.taps}, rows, at, kStripeRows, mixed, d,
                      RunningState(step, slot_, item, kRunningFrom),
                      RunningState(step, slot_, item, kRunningTo), d);
      for (uint32_t r = rows.first; r < rows.first + rows.count; ++r) {
        float* out = mixed + size_t{r} * d + at;
        for (uint32_t c = 0; c < kStripeRows; ++c) out[c] *= in(r, 1)[c];
      }
    }
  });
}

void ShortConvPart::Out(Lane& lane, const Step& step) const {
  const Buffers& shared = step.scratch.shared;
  const Activations input = GoOn(lane, step, shared.Floats(mixed_), step.model.config.embedding,
                                 shared.Floats(floats_), shared.Bytes(activations_));
  AddToStream(lane, step, out_, input, add_);
}

}  // namespace infe::model
