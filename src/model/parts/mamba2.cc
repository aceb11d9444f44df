#include "model/parts/mamba2.h"

#include <cstring>

#include "model/parts/product-inl.h"
#include "model/parts/running.h"

namespace infe::model {

using kernels::Activations;
using kernels::kStripeRows;

uint32_t Mamba2Part::stride() const {
  return (projected() + kStripeRows - 1) / kStripeRows * kStripeRows;
}

Result<void> Mamba2Part::Plan(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  INFE_TRY(t.Vector(plan.Name("attn_norm.weight"), d, {}, &norm_));
  INFE_TRY(t.Matrix({.name = plan.Name("ssm_in.weight"), .rows = projected(), .cols = d}, &in_));
  INFE_TRY(t.Grid(plan.Name("ssm_conv1d.weight"), config_.conv_taps, channels(), &taps_));
  if (t.Has(plan.Name("ssm_conv1d.bias"))) {
    INFE_TRY(t.Vector(plan.Name("ssm_conv1d.bias"), channels(), {}, &conv_bias_));
  }
  INFE_TRY(t.Vector(plan.Name("ssm_dt.bias"), config_.heads, {}, &dt_bias_));
  INFE_TRY(t.Grid(plan.Name("ssm_a"), 1, config_.heads, &a_));
  INFE_TRY(t.Grid(plan.Name("ssm_d"), 1, config_.heads, &skip_));
  if (t.Has(plan.Name("ssm_norm.weight"))) {
    INFE_TRY(t.Grid(plan.Name("ssm_norm.weight"), config_.inner / config_.groups, config_.groups,
                    &group_norm_));
  }
  INFE_TRY(
      t.Matrix({.name = plan.Name("ssm_out.weight"), .rows = d, .cols = config_.inner}, &out_));
  plan.float_products |= kernels::IsFloat(in_.type);
  const size_t matrices = size_t{config_.inner} * config_.state;
  plan.state.Need(
      plan.layer,
      {.kind = StateKind::kRunning,
       .bytes = (size_t{config_.conv_taps - 1} * channels() + matrices) * sizeof(float)},
      &slot_);
  PlanBuffers(plan);
  return {};
}

void Mamba2Part::PlanBuffers(PartPlan& plan) {
  BufferPlan& shared = plan.scratch.shared;
  const size_t rows = plan.limits.rows_max;
  in_rows_ = shared.Floats("running in", rows * stride());
  gates_ = shared.Floats("running rates", rows * 2 * config_.heads);
  mixed_ = shared.Floats("running out", rows * config_.inner);
  floats_ = shared.Floats("running floats", kernels::IsFloat(out_.type) ? rows * config_.inner : 0);
  activations_ = shared.Bytes("running activations",
                              kernels::ActivationsBytes(plan.limits.rows_max, config_.inner));
}

std::vector<Phase> Mamba2Part::phases() const {
  return {{StepPart::kQkv, RunPhase<Mamba2Part, &Mamba2Part::In>},
          {StepPart::kAttention, RunPhase<Mamba2Part, &Mamba2Part::Convolve>},
          {StepPart::kAttention, RunPhase<Mamba2Part, &Mamba2Part::Recur>},
          {StepPart::kOutput, RunPhase<Mamba2Part, &Mamba2Part::Out>, true}};
}

void Mamba2Part::In(Lane& lane, const Step& step) const {
  const Activations input = Normalise(lane, step, norm_);
  const PlannedProduct product = {&in_, step.scratch.shared.Floats(in_rows_), stride()};
  MultiplyAll(lane, step, input, {&product, 1});
}

void Mamba2Part::MakeGates(const Step& step, uint32_t row) const {
  const uint32_t heads = config_.heads;
  const float* dt =
      step.scratch.shared.Floats(in_rows_) + size_t{row} * stride() + config_.inner + channels();
  float* gates = step.scratch.shared.Floats(gates_) + size_t{row} * 2 * heads;
  for (uint32_t h = 0; h < heads; ++h) {
    const float rate = Softplus(step.kernels, dt[h] + dt_bias_[h]);
    gates[h] = Decay(step.kernels, rate * a_[h]);
    gates[heads + h] = rate;
  }
}

void Mamba2Part::Convolve(Lane& lane, const Step& step) const {
  const uint32_t blocks = (channels() + kStripeRows - 1) / kStripeRows;
  const uint32_t items = static_cast<uint32_t>(step.batch.items.size());
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    MakeGates(step, r);
  }
  float* x = step.scratch.shared.Floats(in_rows_) + config_.inner;
  Share(lane, items * blocks, [&](uint32_t begin, uint32_t end) {
    for (uint32_t unit = begin; unit < end; ++unit) {
      const uint32_t item = unit / blocks;
      const uint32_t at = unit % blocks * kStripeRows;
      const uint32_t n = std::min(kStripeRows, channels() - at);
      const ItemRows rows = RowsOf(step, item);
      model::Convolve({.taps = taps_, .bias = conv_bias_, .count = config_.conv_taps}, rows, at, n,
                      x, stride(), RunningState(step, slot_, item, kRunningFrom),
                      RunningState(step, slot_, item, kRunningTo), channels());
      for (uint32_t r = rows.first; r < rows.first + rows.count; ++r) {
        Silu(step, x + size_t{r} * stride() + at, n);
      }
    }
  });
}

void Mamba2Part::RecurHead(const Step& step, uint32_t item, uint32_t head) const {
  const Buffers& shared = step.scratch.shared;
  const uint32_t dim = head_dim();
  const uint32_t group = head / (config_.heads / config_.groups);
  const ItemRows rows = RowsOf(step, item);
  const size_t matrix = size_t{dim} * config_.state;
  const size_t at = size_t{config_.conv_taps - 1} * channels() + head * matrix;
  float* state = RunningState(step, slot_, item, kRunningTo) + at;
  const float* from = RunningState(step, slot_, item, kRunningFrom);
  if (from == nullptr) {
    std::memset(state, 0, matrix * sizeof(float));
  } else {
    std::memcpy(state, from + at, matrix * sizeof(float));
  }
  const float* values = shared.Floats(in_rows_) + size_t{rows.first} * stride() + config_.inner;
  const float* keys = values + config_.inner + group * config_.state;
  const float* gates = shared.Floats(gates_) + size_t{rows.first} * 2 * config_.heads + head;
  float* out = shared.Floats(mixed_) + size_t{rows.first} * config_.inner + head * dim;
  step.kernels.recur(kernels::Recurrence::kSum, {.state = state,
                                                 .keys = config_.state,
                                                 .values = dim,
                                                 .tokens = rows.count,
                                                 .q = keys + config_.groups * config_.state,
                                                 .k = keys,
                                                 .v = values + head * dim,
                                                 .stride = stride(),
                                                 .decay = gates,
                                                 .rate = gates + config_.heads,
                                                 .gate_stride = 2 * size_t{config_.heads},
                                                 .out = out,
                                                 .out_stride = config_.inner});
  for (uint32_t t = 0; t < rows.count; ++t) {
    const float* x = values + size_t{t} * stride() + head * dim;
    for (uint32_t i = 0; i < dim; ++i) out[size_t{t} * config_.inner + i] += skip_[head] * x[i];
  }
}

void Mamba2Part::Recur(Lane& lane, const Step& step) const {
  const uint32_t heads = config_.heads;
  const uint32_t items = static_cast<uint32_t>(step.batch.items.size());
  Share(lane, items * heads, [&](uint32_t begin, uint32_t end) {
    for (uint32_t unit = begin; unit < end; ++unit) RecurHead(step, unit / heads, unit % heads);
  });
}

void Mamba2Part::Out(Lane& lane, const Step& step) const {
  const Buffers& shared = step.scratch.shared;
  const uint32_t inner = config_.inner;
  const uint32_t of_group = inner / config_.groups;
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    const uint32_t step_row = lane.only_wanted ? step.plan.wanted[r].row : r;
    const float* z = shared.Floats(in_rows_) + size_t{step_row} * stride();
    float* row = shared.Floats(mixed_) + size_t{step_row} * inner;
    step.kernels.swiglu(z, row, inner, row);
    for (uint32_t at = 0; at < inner && group_norm_ != nullptr; at += of_group) {
      step.kernels.rms_norm(row + at, group_norm_ + at, step.model.config.rms_epsilon, of_group,
                            row + at);
    }
  }
  // The same thread takes the same rows on.
  const Activations input = GoOn(lane, step, shared.Floats(mixed_), inner, shared.Floats(floats_),
                                 shared.Bytes(activations_));
  AddToStream(lane, step, out_, input, add_);
}

}  // namespace infe::model
