#include "model/parts/residual.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "model/parts/product-inl.h"

namespace infe::model {
namespace {

using kernels::Activations;
using kernels::ActivationsBytes;
using kernels::kStripeRows;

void ApplyNorm(const Step& step, const StreamNorm& norm, const float* x, float* out) {
  const uint32_t d = step.model.config.embedding;
  const float epsilon = step.model.config.rms_epsilon;
  if (norm.bias != nullptr) {
    step.kernels.layer_norm(x, norm.weight, norm.bias, epsilon, d, out);
  } else if (norm.weight != nullptr) {
    step.kernels.rms_norm(x, norm.weight, epsilon, d, out);
  } else if (x != out) {
    std::memcpy(out, x, d * sizeof(float));
  }
}

void NormaliseRow(Lane& lane, const Step& step, uint32_t row, const StreamNorm& norm, bool keep_x,
                  const Activations& out, float* normed) {
  const kernels::KernelTable& kernels = step.kernels;
  const ResidualBuffers& buffers = step.model.residual;
  const uint32_t d = step.model.config.embedding;
  const float epsilon = step.model.config.rms_epsilon;
  const float* x = lane.x + size_t{row} * d;
  float* y = normed == nullptr ? lane.own.Floats(buffers.own_row) : normed + size_t{row} * d;
  if (lane.post_norm != nullptr) {
    // The sum goes through y, private to this thread: others read x at the same time.
    const float* delta = step.scratch.shared.Floats(buffers.delta) + size_t{row} * d;
    kernels.rms_norm(delta, lane.post_norm, epsilon, d, y);
    kernels.add(y, x, d);
    if (lane.after != 1) kernels.scale(y, lane.after, d);
    if (keep_x) std::memcpy(lane.x_next + size_t{row} * d, y, d * sizeof(float));
    x = y;
  }
  ApplyNorm(step, norm, x, y);
  if (keep_x && norm.stays) std::memcpy(lane.x_next + size_t{row} * d, y, d * sizeof(float));
  kernels.quantise_row(y, 0, d, row, out);
}

}  // namespace

ResidualBuffers PlanResidual(const ModelConfig& config, const StepLimits& limits,
                             ScratchPlan& scratch) {
  const size_t d = config.embedding;
  const size_t rows = limits.rows_max * d;
  const size_t wanted = limits.logits_rows_max * d;
  const bool post_norms = std::any_of(config.layers.begin(), config.layers.end(),
                                      [](const LayerConfig& layer) { return layer.post_norms; });
  const bool changes =
      post_norms || std::any_of(config.layers.begin(), config.layers.end(),
                                [](const LayerConfig& layer) { return layer.stream_norms; });
  ResidualBuffers b;
  b.x[0] = scratch.shared.Floats("x", rows);
  b.x[1] = changes ? scratch.shared.Floats("x next", rows) : b.x[0];
  b.wanted[0] = scratch.shared.Floats("x wanted", wanted);
  b.wanted[1] = changes ? scratch.shared.Floats("x wanted next", wanted) : b.wanted[0];
  b.delta = scratch.shared.Floats("delta", post_norms ? rows : 0);
  b.normed = scratch.shared.Floats("normed", 0);
  b.activations = scratch.shared.Bytes("normed activations",
                                       ActivationsBytes(limits.rows_max, config.embedding));
  b.rope = scratch.shared.Floats("rope", 0);
  b.own_row = scratch.own.Floats("row", d);
  b.own_normed = scratch.own.Floats("normed", 0);
  b.own_activations = scratch.own.Bytes("normed activations",
                                        ActivationsBytes(kPrivateNormRowsMax, config.embedding));
  b.tile_a = scratch.own.Floats("tile a", kTileFloats);
  b.tile_b = scratch.own.Floats("tile b", kTileFloats);
  return b;
}

void PlanFloatInput(const ModelConfig& config, const StepLimits& limits, ScratchPlan& scratch) {
  scratch.shared.Floats("normed", size_t{limits.rows_max} * config.embedding);
  scratch.own.Floats("normed", size_t{kPrivateNormRowsMax} * config.embedding);
}

Result<void> PlanNorm(PartPlan& plan, const std::string& name, StreamNorm* norm) {
  const uint32_t d = plan.config.embedding;
  INFE_TRY(plan.tensors.Vector(name + ".weight", d, {}, &norm->weight));
  if (plan.config.norms == NormKind::kRms) return {};
  return plan.tensors.Vector(name + ".bias", d, {}, &norm->bias);
}

Activations Normalise(Lane& lane, const Step& step, const StreamNorm& norm) {
  const ResidualBuffers& buffers = step.model.residual;
  const Buffers& shared_buffers = step.scratch.shared;
  const uint32_t index = lane.worker.index();
  const uint32_t threads = lane.worker.count();
  const bool shared = lane.rows > kPrivateNormRowsMax && threads > 1;
  const bool own = !shared && threads > 1;
  float* normed = own ? lane.own.Floats(buffers.own_normed) : shared_buffers.Floats(buffers.normed);
  const Activations out = kernels::MakeActivations(
      own ? lane.own.Bytes(buffers.own_activations) : shared_buffers.Bytes(buffers.activations),
      lane.rows, step.model.config.embedding, normed);
  const uint32_t begin = shared ? lane.rows * index / threads : 0;
  const uint32_t end = shared ? lane.rows * (index + 1) / threads : lane.rows;
  for (uint32_t r = begin; r < end; ++r) {
    NormaliseRow(lane, step, r, norm, shared || r % threads == index, out, normed);
  }
  if (shared) lane.worker.Barrier();
  if (lane.post_norm != nullptr || norm.stays) std::swap(lane.x, lane.x_next);
  lane.post_norm = nullptr;
  lane.after = 1;
  return out;
}

void AddToRow(Lane& lane, const Step& step, const StreamAdd& add, uint32_t row, uint32_t at,
              float* values, uint32_t n) {
  const size_t begin = size_t{row} * step.model.config.embedding + at;
  if (add.bias != nullptr) step.kernels.add(values, add.bias + at, n);
  if (add.scale != 1) step.kernels.scale(values, add.scale, n);
  if (add.post_norm == nullptr) {
    step.kernels.add(lane.x + begin, values, n);
  } else {
    float* delta = step.scratch.shared.Floats(step.model.residual.delta);
    std::memcpy(delta + begin, values, n * sizeof(float));
  }
}

void AddToStream(Lane& lane, const Step& step, const kernels::PackedMatrix& matrix,
                 const Activations& input, const StreamAdd& add) {
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  ForTiles(lane, matrix.stripes(), input.cols,
           [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
             const uint32_t cols = (s1 - s0) * kStripeRows;
             Multiply(step, matrix, input, r0, r1, s0, s1, tile, cols);
             for (uint32_t r = r0; r < r1; ++r) {
               AddToRow(lane, step, add, r, s0 * kStripeRows, tile + size_t{r - r0} * cols, cols);
             }
           });
  EndAdd(lane, add);
}

void EndAdd(Lane& lane, const StreamAdd& add) {
  lane.post_norm = add.post_norm;
  lane.after = add.after;
}

void DropUnwantedRows(Lane& lane, const Step& step) {
  const uint32_t d = step.model.config.embedding;
  const auto& wanted = step.plan.wanted;
  float* x = step.scratch.shared.Floats(step.model.residual.wanted[0]);
  for (uint32_t i = lane.worker.index(); i < wanted.size(); i += lane.worker.count()) {
    std::memcpy(x + size_t{i} * d, lane.x + size_t{wanted[i].row} * d, d * sizeof(float));
  }
  lane.rows = static_cast<uint32_t>(wanted.size());
  lane.x = x;
  lane.x_next = step.scratch.shared.Floats(step.model.residual.wanted[1]);
  lane.only_wanted = true;
}

}  // namespace infe::model
