#include "model/parts/delta_net.h"

#include <cmath>
#include <cstring>

#include "model/parts/product-inl.h"
#include "model/parts/router.h"
#include "model/parts/running.h"

namespace infe::model {
namespace {

using kernels::Activations;
using kernels::kStripeRows;

uint32_t Padded(uint32_t n) {
  return (n + kStripeRows - 1) / kStripeRows * kStripeRows;
}

}  // namespace

Result<void> DeltaNetPart::Plan(PartPlan& plan) {
  INFE_TRY(PlanTensors(plan));
  INFE_TRY(PlanGates(plan));
  const size_t matrices = size_t{inner()} * config_.head_dim;
  plan.state.Need(
      plan.layer,
      {.kind = StateKind::kRunning,
       .bytes = (size_t{config_.conv_taps - 1} * channels() + matrices) * sizeof(float)},
      &slot_);
  PlanBuffers(plan);
  return {};
}

Result<void> DeltaNetPart::PlanTensors(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t dim = config_.head_dim;
  INFE_TRY(t.Vector(plan.Name("attn_norm.weight"), d, {}, &norm_));
  INFE_TRY(t.Matrix({.name = plan.Name("attn_qkv.weight"), .rows = channels(), .cols = d}, &qkv_));
  INFE_TRY(t.Matrix({.name = plan.Name("attn_gate.weight"), .rows = inner(), .cols = d}, &z_));
  INFE_TRY(t.Grid(plan.Name("ssm_conv1d.weight"), config_.conv_taps, channels(), &taps_));
  INFE_TRY(t.Vector(plan.Name("ssm_norm.weight"), dim, {}, &head_norm_));
  INFE_TRY(t.Matrix({.name = plan.Name("ssm_out.weight"), .rows = d, .cols = inner()}, &out_));
  const float root = std::sqrt(static_cast<float>(dim));
  t.Constant(std::vector<float>(dim, 1 / root), &key_length_);
  t.Constant(std::vector<float>(dim, 1 / (root * root)), &query_length_);
  plan.float_products |= kernels::IsFloat(qkv_.type) || kernels::IsFloat(z_.type);
  return {};
}

// Betas and alphas: one tensor each; or one of both, for each key head the betas of its value heads
// and then their alphas.
Result<void> DeltaNetPart::PlanGates(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t n = config_.value_heads;
  INFE_TRY(t.Vector(plan.Name("ssm_a"), n, {}, &a_));
  INFE_TRY(t.Vector(plan.Name("ssm_dt.bias"), n, {}, &dt_bias_));
  MatrixSpec beta{.name = plan.Name("ssm_beta.weight"), .rows = n, .cols = d};
  MatrixSpec alpha{.name = plan.Name("ssm_alpha.weight"), .rows = n, .cols = d};
  if (config_.fused_gates) {
    const uint32_t run = n / config_.key_heads;
    beta.name = alpha.name = plan.Name("ssm_ba.weight");
    beta.plane_rows = alpha.plane_rows = 2 * uint64_t{n};
    beta.order = t.EveryOther(config_.key_heads, run, 0);
    alpha.order = t.EveryOther(config_.key_heads, run, run);
  }
  INFE_TRY(t.Matrix(beta, &beta_));
  INFE_TRY(t.Matrix(alpha, &alpha_));
  plan.float_products |= kernels::IsFloat(beta_.type) || kernels::IsFloat(alpha_.type);
  return {};
}

void DeltaNetPart::PlanBuffers(PartPlan& plan) {
  BufferPlan& shared = plan.scratch.shared;
  const size_t rows = plan.limits.rows_max;
  qkv_rows_ = shared.Floats("running in", rows * Padded(channels()));
  z_rows_ = shared.Floats("running gate", rows * Padded(inner()));
  beta_rows_ = shared.Floats("running rates", rows * Padded(config_.value_heads));
  alpha_rows_ = shared.Floats("running decays", rows * Padded(config_.value_heads));
  mixed_ = shared.Floats("running out", rows * inner());
  floats_ = shared.Floats("running floats", kernels::IsFloat(out_.type) ? rows * inner() : 0);
  activations_ =
      shared.Bytes("running activations", kernels::ActivationsBytes(plan.limits.rows_max, inner()));
}

std::vector<Phase> DeltaNetPart::phases() const {
  return {{StepPart::kQkv, RunPhase<DeltaNetPart, &DeltaNetPart::In>},
          {StepPart::kAttention, RunPhase<DeltaNetPart, &DeltaNetPart::Convolve>},
          {StepPart::kAttention, RunPhase<DeltaNetPart, &DeltaNetPart::Recur>},
          {StepPart::kOutput, RunPhase<DeltaNetPart, &DeltaNetPart::Out>, true}};
}

void DeltaNetPart::In(Lane& lane, const Step& step) const {
  const Activations input = Normalise(lane, step, norm_);
  const Buffers& shared = step.scratch.shared;
  const size_t gates = Padded(config_.value_heads);
  MultiplyAll(lane, step, input,
              std::vector<PlannedProduct>{{&qkv_, shared.Floats(qkv_rows_), Padded(channels())},
                                          {&z_, shared.Floats(z_rows_), Padded(inner())},
                                          {&beta_, shared.Floats(beta_rows_), gates},
                                          {&alpha_, shared.Floats(alpha_rows_), gates}});
}

void DeltaNetPart::ConvolveHead(const Step& step, uint32_t item, uint32_t head) const {
  const uint32_t dim = config_.head_dim;
  const ItemRows rows = RowsOf(step, item);
  float* x = step.scratch.shared.Floats(qkv_rows_);
  const size_t stride = Padded(channels());
  for (uint32_t c = 0; c < dim; c += kConvolutionChannelsMax) {
    model::Convolve({.taps = taps_, .count = config_.conv_taps}, rows, head * dim + c,
                    std::min(kConvolutionChannelsMax, dim - c), x, stride,
                    RunningState(step, slot_, item, kRunningFrom),
                    RunningState(step, slot_, item, kRunningTo), channels());
  }
  // x / sqrt(sum + eps) is an RMSNorm of weight 1 / sqrt(dim) and epsilon eps / dim.
  const float* length = head < config_.key_heads       ? query_length_
                        : head < 2 * config_.key_heads ? key_length_
                                                       : nullptr;
  const float epsilon = step.model.config.rms_epsilon / static_cast<float>(dim);
  for (uint32_t r = rows.first; r < rows.first + rows.count; ++r) {
    float* row = x + r * stride + head * dim;
    Silu(step, row, dim);
    if (length != nullptr) step.kernels.rms_norm(row, length, epsilon, dim, row);
  }
}

void DeltaNetPart::MakeGates(const Step& step, uint32_t row) const {
  const size_t at = size_t{row} * Padded(config_.value_heads);
  float* rates = step.scratch.shared.Floats(beta_rows_) + at;
  float* decays = step.scratch.shared.Floats(alpha_rows_) + at;
  step.kernels.sigmoid(rates, config_.value_heads);
  for (uint32_t h = 0; h < config_.value_heads; ++h) {
    decays[h] = Decay(step.kernels, a_[h] * Softplus(step.kernels, decays[h] + dt_bias_[h]));
  }
}

void DeltaNetPart::Convolve(Lane& lane, const Step& step) const {
  const uint32_t heads = 2 * config_.key_heads + config_.value_heads;
  const uint32_t items = static_cast<uint32_t>(step.batch.items.size());
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    MakeGates(step, r);
  }
  Share(lane, items * heads, [&](uint32_t begin, uint32_t end) {
    for (uint32_t unit = begin; unit < end; ++unit) ConvolveHead(step, unit / heads, unit % heads);
  });
}

void DeltaNetPart::RecurHead(const Step& step, uint32_t item, uint32_t head) const {
  const Buffers& shared = step.scratch.shared;
  const uint32_t dim = config_.head_dim;
  const ItemRows rows = RowsOf(step, item);
  const size_t matrix = size_t{dim} * dim;
  const size_t at = size_t{config_.conv_taps - 1} * channels() + head * matrix;
  float* state = RunningState(step, slot_, item, kRunningTo) + at;
  const float* from = RunningState(step, slot_, item, kRunningFrom);
  if (from == nullptr) {
    std::memset(state, 0, matrix * sizeof(float));
  } else {
    std::memcpy(state, from + at, matrix * sizeof(float));
  }
  const size_t stride = Padded(channels());
  const size_t gates = Padded(config_.value_heads);
  const float* row = shared.Floats(qkv_rows_) + rows.first * stride;
  float* out = shared.Floats(mixed_) + size_t{rows.first} * inner() + head * dim;
  step.kernels.recur(kernels::Recurrence::kDelta,
                     {.state = state,
                      .keys = dim,
                      .values = dim,
                      .tokens = rows.count,
                      .q = row + key_head(head) * dim,
                      .k = row + (config_.key_heads + key_head(head)) * dim,
                      .v = row + (2 * config_.key_heads + head) * dim,
                      .stride = stride,
                      .decay = shared.Floats(alpha_rows_) + rows.first * gates + head,
                      .rate = shared.Floats(beta_rows_) + rows.first * gates + head,
                      .gate_stride = gates,
                      .out = out,
                      .out_stride = inner()});
  for (uint32_t t = 0; t < rows.count; ++t, out += inner()) {
    const float* z = shared.Floats(z_rows_) + size_t{rows.first + t} * Padded(inner()) + head * dim;
    step.kernels.rms_norm(out, head_norm_, step.model.config.rms_epsilon, dim, out);
    step.kernels.swiglu(z, out, dim, out);
  }
}

void DeltaNetPart::Recur(Lane& lane, const Step& step) const {
  const uint32_t heads = config_.value_heads;
  const uint32_t items = static_cast<uint32_t>(step.batch.items.size());
  Share(lane, items * heads, [&](uint32_t begin, uint32_t end) {
    for (uint32_t unit = begin; unit < end; ++unit) RecurHead(step, unit / heads, unit % heads);
  });
}

void DeltaNetPart::Out(Lane& lane, const Step& step) const {
  const Buffers& shared = step.scratch.shared;
  const Activations input = GoOn(lane, step, shared.Floats(mixed_), inner(), shared.Floats(floats_),
                                 shared.Bytes(activations_));
  AddToStream(lane, step, out_, input, add_);
}

}  // namespace infe::model
