#include "model/parts/attention.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/check.h"
#include "model/parts/product-inl.h"
#include "model/parts/residual.h"

namespace infe::model {
namespace {

using kernels::Activations;
using kernels::kAttentionSpan;
using kernels::kStripeRows;

// Room for the partial sums of long contexts: 16 MiB at most.
constexpr size_t kPartialFloatsMax = size_t{4} << 20;
constexpr uint32_t kUnitsSplitMax = 8;  // per thread

// The stripes of some whole heads.
struct HeadStripes {
  HeadStripes(uint32_t head, uint32_t heads, uint32_t dim)
      : begin(head * dim / kStripeRows),
        end((head * dim + heads * dim + kStripeRows - 1) / kStripeRows),
        cols((end - begin) * kStripeRows) {}
  uint32_t begin, end, cols;
};

}  // namespace

AttentionShape ShapeOf(const AttentionConfig& config) {
  return {config.heads, config.kv_heads, config.head_dim, config.window, config.causal};
}

uint32_t HeadsPerUnit(uint32_t heads, uint32_t head_dim) {
  uint32_t n = 1;
  while (n < heads && (n * head_dim % kStripeRows != 0 || heads % n != 0)) ++n;
  return n;
}

Result<void> AttentionPart::Plan(PartPlan& plan) {
  INFE_TRY(PlanTensors(plan));
  if (config_.rope.dims > 0) {
    INFE_ASSIGN(rope_, plan.ropes.Table(config_.rope, plan.tensors));
  }
  INFE_TRY(PlanTiles(plan));
  shape_ = plan.attention.IndexOf(ShapeOf(config_));
  PlanBuffers(plan);
  return {};
}

Result<void> AttentionPart::PlanTiles(PartPlan& plan) {
  tile_bytes_ = plan.kernels.kv_tile_bytes(plan.kv_type, config_.head_dim);
  if (!config_.causal) {
    if (config_.kv_source) {
      return Unsupported("layers that share keys and values of both sides are not supported");
    }
    step_tiles_ = plan.scratch.shared.Bytes(
        "step tiles", size_t{StepTilesMax(plan.limits)} * config_.kv_heads * tile_bytes_);
  } else if (config_.kv_source) {
    plan.state.Share(*config_.kv_source, &slot_);
  } else {
    plan.state.Need(plan.layer,
                    {.kind = config_.window > 0 ? StateKind::kWindow : StateKind::kPositions,
                     .window = config_.window,
                     .bytes = config_.kv_heads * tile_bytes_},
                    &slot_);
  }
  return {};
}

std::string StreamNormName(uint32_t layer) {
  return fmt::format("blk.{}.layer_output_norm", layer);
}

Result<void> AttentionPart::PlanNorms(PartPlan& plan) {
  norm_.stays = stream_norms_;
  if (stream_norms_) {
    INFE_TRY(PlanNorm(plan, plan.layer == 0 ? "token_embd_norm" : StreamNormName(plan.layer - 1),
                      &norm_));
  }
  if (pre_norms_) INFE_TRY(PlanNorm(plan, plan.Name("attn_norm"), &norm_));
  if (!post_norms_) return {};
  return plan.tensors.Vector(plan.Name("post_attention_norm.weight"), plan.config.embedding, {},
                             &add_.post_norm);
}

Result<void> AttentionPart::PlanTensors(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t dim = config_.head_dim;
  std::span<const uint32_t> q_order;
  std::span<const uint32_t> k_order;
  if (config_.rope.interleaved && config_.rope.dims > 0) {
    q_order = t.Deinterleaved(config_.heads, dim, config_.rope.dims);
    k_order = t.Deinterleaved(config_.kv_heads, dim, config_.rope.dims);
  }
  INFE_TRY(PlanNorms(plan));
  INFE_TRY(PlanProjections(plan, q_order, k_order));
  INFE_TRY(PlanVectors(plan, q_order, k_order));
  INFE_TRY(t.Matrix({.name = plan.Name("attn_output.weight"), .rows = d, .cols = width()}, &o_));
  for (const Projection* p : {&q_, &k_, &v_}) {
    plan.float_products |= p->matrix.rows > 0 && kernels::IsFloat(p->matrix.type);
  }
  return {};
}

Result<void> AttentionPart::PlanVectors(PartPlan& plan, std::span<const uint32_t> q_order,
                                        std::span<const uint32_t> k_order) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t dim = config_.head_dim;
  const uint32_t k_rows = config_.kv_heads * dim;
  const bool own_keys = !config_.kv_source;
  if (config_.qkv_bias) {
    INFE_TRY(t.Vector(plan.Name("attn_q.bias"), width(), q_order, &q_.bias));
    INFE_TRY(t.Vector(plan.Name("attn_k.bias"), k_rows, k_order, &k_.bias));
    INFE_TRY(t.Vector(plan.Name("attn_v.bias"), k_rows, {}, &v_.bias));
  }
  if (config_.qk_norm) {
    const bool whole = config_.whole_norm;
    INFE_TRY(t.Vector(plan.Name("attn_q_norm.weight"), whole ? width() : dim, {}, &q_.norm));
    if (own_keys) {
      INFE_TRY(t.Vector(plan.Name("attn_k_norm.weight"), whole ? k_rows : dim, {}, &k_.norm));
    }
  }
  if (config_.value_norm) t.Constant(std::vector<float>(dim, 1.0F), &v_.norm);
  if (config_.output_bias) {
    INFE_TRY(t.Vector(plan.Name("attn_output.bias"), d, {}, &add_.bias));
  }
  if (config_.sinks) {
    INFE_TRY(t.Vector(plan.Name("attn_sinks.weight"), config_.heads, {}, &sinks_));
  }
  return {};
}

// One tensor each, or slices of one that holds Q, K and V.
Result<void> AttentionPart::PlanProjections(PartPlan& plan, std::span<const uint32_t> q_order,
                                            std::span<const uint32_t> k_order) {
  const uint32_t k_rows = config_.kv_heads * config_.head_dim;
  const std::string fused = plan.Name("attn_qkv.weight");
  const auto matrix = [&](std::string_view name, uint32_t rows, uint64_t first,
                          std::span<const uint32_t> order, kernels::PackedMatrix* to) {
    MatrixSpec spec{.name = config_.fused_qkv ? fused : plan.Name(name),
                    .rows = rows,
                    .cols = plan.config.embedding,
                    .order = order};
    if (config_.fused_qkv) {
      spec.plane_rows = width() + 2 * uint64_t{k_rows};
      spec.first_row = first;
    }
    return plan.tensors.Matrix(spec, to);
  };
  if (!config_.kv_source) {
    INFE_TRY(matrix("attn_k.weight", k_rows, width(), k_order, &k_.matrix));
    if (!config_.values_are_keys) {
      INFE_TRY(matrix("attn_v.weight", k_rows, width() + k_rows, {}, &v_.matrix));
    }
  }
  if (!config_.gated) return matrix("attn_q.weight", width(), 0, q_order, &q_.matrix);
  // Each head's query, then its gate.
  const uint32_t dim = config_.head_dim;
  MatrixSpec spec{.name = plan.Name("attn_q.weight"),
                  .rows = width(),
                  .cols = plan.config.embedding,
                  .plane_rows = 2 * uint64_t{width()},
                  .order = plan.tensors.EveryOther(config_.heads, dim, 0)};
  INFE_TRY(plan.tensors.Matrix(spec, &q_.matrix));
  spec.order = plan.tensors.EveryOther(config_.heads, dim, dim);
  return plan.tensors.Matrix(spec, &gate_);
}

void AttentionPart::PlanBuffers(PartPlan& plan) {
  ScratchPlan& scratch = plan.scratch;
  const size_t rows = plan.limits.rows_max;
  queries_ = scratch.shared.Floats("queries", rows * width());
  gates_ = scratch.shared.Floats("gates", config_.gated ? rows * width() : 0);
  attended_ = scratch.shared.Floats("attended", rows * width());
  activations_ = scratch.shared.Bytes("attended activations",
                                      kernels::ActivationsBytes(plan.limits.rows_max, width()));
  const size_t spans = plan.config.context_length / kAttentionSpan + 1;
  const size_t partial =
      plan.kernels.attention_partial_floats(kQueryRowsMax, group(), config_.head_dim) + 16;
  const size_t partials =
      std::min(kPartialFloatsMax, partial * spans * kUnitsSplitMax * plan.limits.threads);
  partials_ = scratch.shared.Floats("partials", partials);
  plan.attention.partial_floats = std::max(plan.attention.partial_floats, partials);
  // At least one row of the widest unit that is not cut: all heads, if they do not end on stripes.
  scratch.own.Floats("tile a", width() + kStripeRows);
  scratch.own.Floats("tile b", width() + kStripeRows);
  own_scratch_ = scratch.own.Floats(
      "attention", plan.kernels.attention_scratch_floats(kQueryRowsMax, group(), config_.head_dim));
  own_tiles_ = scratch.own.Bytes(
      "tiles", (plan.config.context_length / kBlockPositions + 1) * sizeof(std::byte*));
}

std::vector<Phase> AttentionPart::phases() const {
  return {{StepPart::kQkv, RunPhase<AttentionPart, &AttentionPart::Qkv>},
          {StepPart::kAttention, RunPhase<AttentionPart, &AttentionPart::Attend>, true},
          {StepPart::kOutput, RunPhase<AttentionPart, &AttentionPart::Output>}};
}

Activations AttentionPart::Attended(const Step& step, uint32_t rows) const {
  return kernels::MakeActivations(step.scratch.shared.Bytes(activations_), rows, width(),
                                  step.scratch.shared.Floats(attended_));
}

std::byte* AttentionPart::Tile(const Step& step, uint32_t kv_head, uint32_t item,
                               uint32_t position) const {
  if (!config_.causal) {
    const size_t tile = step.plan.first_tiles[item] + position / kBlockPositions;
    return step.scratch.shared.Bytes(step_tiles_) +
           (tile * config_.kv_heads + kv_head) * tile_bytes_;
  }
  const uint32_t block = step.batch.items[item].blocks[slot_.group][position / kBlockPositions];
  if (block == kNoBlock) return nullptr;
  return step.state.arena[slot_.group] + block * step.model.groups[slot_.group].block_bytes +
         slot_.offset + kv_head * tile_bytes_;
}

void AttentionPart::Qkv(Lane& lane, const Step& step) const {
  const Activations input = Normalise(lane, step, norm_);
  // A norm over all heads needs them in one place.
  const auto heads_per_unit = [&](uint32_t heads) {
    return config_.whole_norm ? heads : HeadsPerUnit(heads, config_.head_dim);
  };
  const uint32_t kv_heads = heads_per_unit(config_.kv_heads);
  const uint32_t q_heads = heads_per_unit(config_.heads);
  const uint32_t kv_units = config_.kv_source ? 0 : config_.kv_heads / kv_heads;
  const uint32_t q_units = config_.heads / q_heads;
  // Keys and values first: their units are twice as large, and the tail should be fine-grained.
  Share(lane, kv_units + q_units * (config_.gated ? 2 : 1), [&](uint32_t begin, uint32_t end) {
    for (uint32_t unit = begin; unit < end; ++unit) {
      if (unit < kv_units) {
        KeyValueUnit(lane, step, input, unit * kv_heads, kv_heads);
      } else if (unit < kv_units + q_units) {
        QueryUnit(lane, step, input, (unit - kv_units) * q_heads, q_heads);
      } else {
        GateUnit(lane, step, input, (unit - kv_units - q_units) * q_heads, q_heads);
      }
    }
  });
}

void AttentionPart::FinishHeads(const Step& step, float* heads_of_row, uint32_t head,
                                uint32_t heads, uint32_t row, const Projection& projection) const {
  const uint32_t dim = config_.head_dim;
  const float epsilon = step.model.config.rms_epsilon;
  const float* turns = nullptr;
  if (config_.rope.dims > 0) {
    const PlannedRope& rope = step.model.ropes[rope_];
    turns = step.scratch.shared.Floats(step.model.residual.rope) +
            rope.offset * step.plan.rows.size() + size_t{row} * rope.dims;
  }
  const bool head_norms = projection.norm != nullptr && !config_.whole_norm;
  if (projection.norm != nullptr && config_.whole_norm) {
    step.kernels.rms_norm(heads_of_row, projection.norm, epsilon, heads * dim, heads_of_row);
  }
  for (uint32_t h = 0; h < heads; ++h) {
    float* x = heads_of_row + h * dim;
    if (projection.bias != nullptr) step.kernels.add(x, projection.bias + (head + h) * dim, dim);
    if (head_norms) step.kernels.rms_norm(x, projection.norm, epsilon, dim, x);
    if (turns != nullptr) step.kernels.rope(x, turns, config_.rope.dims);
  }
}

void AttentionPart::GrowQuery(const Step& step, float* head, uint32_t row) const {
  const uint32_t periods = step.plan.rows[row].position / config_.query_period;
  if (config_.query_growth == 0 || periods == 0) return;
  const double growth = 1 + config_.query_growth * LogOf(1.0 + periods);
  step.kernels.scale(head, static_cast<float>(growth), config_.head_dim);
}

void AttentionPart::QueryUnit(Lane& lane, const Step& step, const Activations& input, uint32_t head,
                              uint32_t heads) const {
  const uint32_t dim = config_.head_dim;
  const HeadStripes stripes(head, heads, dim);
  const uint32_t rows = RowsPerTile(lane.rows, stripes.cols, input.cols);
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  float* queries = step.scratch.shared.Floats(queries_);
  for (uint32_t r0 = 0; r0 < lane.rows; r0 += rows) {
    const uint32_t r1 = std::min(r0 + rows, lane.rows);
    Multiply(step, q_.matrix, input, r0, r1, stripes.begin, stripes.end, tile, stripes.cols);
    for (uint32_t r = r0; r < r1; ++r) {
      float* row = tile + size_t{r - r0} * stripes.cols;
      FinishHeads(step, row, head, heads, r, q_);
      for (uint32_t h = 0; h < heads; ++h) GrowQuery(step, row + h * dim, r);
      std::memcpy(queries + size_t{r} * width() + head * dim, row, heads * dim * sizeof(float));
    }
  }
}

void AttentionPart::GateUnit(Lane& lane, const Step& step, const Activations& input, uint32_t head,
                             uint32_t heads) const {
  const uint32_t dim = config_.head_dim;
  const HeadStripes stripes(head, heads, dim);
  const uint32_t rows = RowsPerTile(lane.rows, stripes.cols, input.cols);
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  float* gates = step.scratch.shared.Floats(gates_);
  for (uint32_t r0 = 0; r0 < lane.rows; r0 += rows) {
    const uint32_t r1 = std::min(r0 + rows, lane.rows);
    Multiply(step, gate_, input, r0, r1, stripes.begin, stripes.end, tile, stripes.cols);
    for (uint32_t r = r0; r < r1; ++r) {
      float* row = tile + size_t{r - r0} * stripes.cols;
      step.kernels.sigmoid(row, heads * dim);
      std::memcpy(gates + size_t{r} * width() + head * dim, row, heads * dim * sizeof(float));
    }
  }
}

void AttentionPart::Gate(const Step& step, float* attended, uint32_t step_row, uint32_t head,
                         uint32_t heads) const {
  const uint32_t dim = config_.head_dim;
  const float* gates = step.scratch.shared.Floats(gates_) + size_t{step_row} * width() + head * dim;
  for (uint32_t i = 0; i < heads * dim; ++i) attended[i] *= gates[i];
}

void AttentionPart::KeyValueUnit(Lane& lane, const Step& step, const Activations& input,
                                 uint32_t head, uint32_t heads) const {
  const uint32_t dim = config_.head_dim;
  const HeadStripes stripes(head, heads, dim);
  const uint32_t rows = RowsPerTile(lane.rows, stripes.cols, input.cols);
  float* keys = lane.own.Floats(step.model.residual.tile_a);
  float* values = lane.own.Floats(step.model.residual.tile_b);
  for (uint32_t r0 = 0; r0 < lane.rows; r0 += rows) {
    const uint32_t r1 = std::min(r0 + rows, lane.rows);
    Multiply(step, k_.matrix, input, r0, r1, stripes.begin, stripes.end, keys, stripes.cols);
    if (config_.values_are_keys) {
      std::memcpy(values, keys, size_t{r1 - r0} * stripes.cols * sizeof(float));
    } else {
      Multiply(step, v_.matrix, input, r0, r1, stripes.begin, stripes.end, values, stripes.cols);
    }
    for (uint32_t r = r0; r < r1; ++r) {
      const StepRow& row = step.plan.rows[r];
      float* k = keys + size_t{r - r0} * stripes.cols;
      float* v = values + size_t{r - r0} * stripes.cols;
      FinishHeads(step, k, head, heads, r, k_);
      if (v_.bias != nullptr) step.kernels.add(v, v_.bias + head * dim, heads * dim);
      for (uint32_t h = 0; h < heads; ++h, k += dim, v += dim) {
        if (v_.norm != nullptr) {
          step.kernels.rms_norm(v, v_.norm, step.model.config.rms_epsilon, dim, v);
        }
        std::byte* tile = Tile(step, head + h, row.item, row.position);
        INFE_DCHECK(tile != nullptr);
        step.kernels.kv_write(step.model.kv_type, tile, row.position % kBlockPositions, k, v, dim);
      }
    }
  }
}

void AttentionPart::Attend(Lane& lane, const Step& step) const {
  const AttentionPlan& plan =
      lane.only_wanted ? step.plan.attention_wanted : step.plan.attention[shape_];
  for (;;) {
    const uint32_t t = lane.cursor->Take(1);
    if (t >= plan.tasks.size()) return;
    RunTask(lane, step, plan, plan.tasks[t]);
  }
}

void AttentionPart::RunTask(Lane& lane, const Step& step, const AttentionPlan& plan,
                            const AttentionTask& task) const {
  const AttentionUnit& unit = plan.units[task.unit];
  const uint32_t dim = config_.head_dim;
  const uint32_t window = config_.window;
  const kernels::KvType kv_type = step.model.kv_type;
  // Tiles of this task: those from the first position its first row sees, or its span's.
  auto [begin, end] = SeenBy(unit, window);
  if (unit.spans > 0) {
    begin = std::max(begin, task.span * kAttentionSpan);
    end = std::min(end, (task.span + 1) * kAttentionSpan);
  }
  auto* tiles = reinterpret_cast<const std::byte**>(lane.own.Bytes(own_tiles_));
  for (uint32_t b = begin / kBlockPositions; b * kBlockPositions < end; ++b) {
    tiles[b] = Tile(step, unit.kv_head, unit.item, b * kBlockPositions);
  }
  float* attended = step.scratch.shared.Floats(attended_);
  kernels::AttentionArgs args;
  args.q = step.scratch.shared.Floats(queries_) + size_t{unit.row} * width() + unit.head * dim;
  args.q_stride = width();
  args.out = attended + size_t{unit.out_row} * width() + unit.head * dim;
  args.out_stride = width();
  args.rows = unit.rows;
  args.group = unit.heads;
  args.head_dim = dim;
  args.position = unit.position;
  args.window = window;
  args.length = unit.length;
  args.scale = config_.scale;
  args.softcap = config_.softcap;
  args.sinks = sinks_ == nullptr ? nullptr : sinks_ + unit.head;
  args.tiles = tiles;
  args.scratch = lane.own.Floats(own_scratch_);
  if (unit.spans == 0) {
    step.kernels.attention(kv_type, args);
  } else {
    float* partials = step.scratch.shared.Floats(partials_) + unit.partials;
    step.kernels.attention_span(kv_type, args, task.span,
                                partials + (task.span - unit.first_span) * unit.partial_stride);
    std::atomic<uint32_t>& unfinished = plan.unfinished[task.unit];
    if (unfinished.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    unfinished.store(unit.spans, std::memory_order_relaxed);  // for the next layer
    step.kernels.attention_merge(args, partials, unit.spans, unit.partial_stride);
  }
  if (dim % kernels::kActivationBlock != 0) return;  // QuantiseAttended does it
  const Activations out = Attended(step, lane.rows);
  for (uint32_t i = 0; i < unit.rows; ++i) {
    const uint32_t r = unit.out_row + i;
    float* row = attended + size_t{r} * width();
    if (config_.gated) Gate(step, row + unit.head * dim, unit.row + i, unit.head, unit.heads);
    step.kernels.quantise_row(row, unit.head * dim, (unit.head + unit.heads) * dim, r, out);
  }
}

// Heads that do not end on blocks of activations are quantised by row, after attention.
void AttentionPart::QuantiseAttended(Lane& lane, const Step& step) const {
  if (config_.head_dim % kernels::kActivationBlock == 0) return;
  float* attended = step.scratch.shared.Floats(attended_);
  const Activations out = Attended(step, lane.rows);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    if (config_.gated) {
      const uint32_t step_row = lane.only_wanted ? step.plan.wanted[r].row : r;
      Gate(step, attended + size_t{r} * width(), step_row, 0, config_.heads);
    }
    step.kernels.quantise_row(attended + size_t{r} * width(), 0, width(), r, out);
  }
  lane.worker.Barrier();
}

void AttentionPart::Output(Lane& lane, const Step& step) const {
  QuantiseAttended(lane, step);
  AddToStream(lane, step, o_, Attended(step, lane.rows), add_);
}

}  // namespace infe::model
