#include "model/parts/moe_ffn.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/parts/activate.h"
#include "model/parts/product-inl.h"
#include "model/parts/residual.h"

namespace infe::model {
namespace {

using kernels::Activations;
using kernels::ActivationsBytes;
using kernels::kStripeRows;
using kernels::PackedMatrix;

uint32_t Padded(uint32_t rows) {
  return (rows + kStripeRows - 1) / kStripeRows * kStripeRows;
}

// Stripes of a row that are added up at a time: 2 KiB a row, so that a tile holds 64 rows.
constexpr uint32_t kDownStripes = 16;

// y += factor * x of one row of a tile, which is spoilt.
void AddWeighed(const Step& step, float* y, float* x, float factor, uint32_t n) {
  step.kernels.scale(x, factor, n);
  step.kernels.add(y, x, n);
}

template <typename T>
T* As(std::byte* bytes) {
  return reinterpret_cast<T*>(bytes);
}

}  // namespace

Result<void> MoeFfnPart::Plan(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  if (post_norms_) {
    INFE_TRY(t.Vector(plan.NormName(config_.post_norm), d, {}, &add_.post_norm));
  }
  if (output_scale_) {
    INFE_ASSIGN(add_.after, plan.OutputScale());
  }
  if (pre_norms_) INFE_TRY(t.Vector(plan.NormName(config_.pre_norm), d, {}, &norm_));
  INFE_TRY(PlanRouter(plan));
  if (config_.biases) INFE_TRY(PlanBiases(plan));
  INFE_TRY(PlanExperts(plan));
  if (config_.shared_width > 0) INFE_TRY(PlanShared(plan));
  // Lining up quantises rows again from their floats.
  plan.float_products = true;
  PlanBuffers(plan);
  return {};
}

Result<void> MoeFfnPart::PlanRouter(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  INFE_TRY(t.Matrix({.name = plan.Name("ffn_gate_inp.weight"), .rows = config_.experts, .cols = d},
                    &router_));
  if (config_.select_bias) {
    INFE_TRY(t.Vector(plan.Name("exp_probs_b.bias"), config_.experts, {}, &bias_));
  }
  if (config_.router_norm) {
    INFE_ASSIGN(std::vector<float> scale, t.Values(plan.Name("ffn_gate_inp.scale"), d));
    for (float& s : scale) s /= std::sqrt(static_cast<float>(d));
    t.Constant(scale, &router_norm_);
  }
  if (config_.expert_scales) {
    INFE_TRY(t.Vector(plan.Name("ffn_down_exps.scale"), config_.experts, {}, &expert_scales_));
  }
  return {};
}

Result<void> MoeFfnPart::PlanBiases(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t n = config_.experts;
  INFE_TRY(t.Vector(plan.Name("ffn_gate_inp.bias"), n, {}, &router_bias_));
  INFE_TRY(t.Grid(plan.Name("ffn_gate_exps.bias"), config_.width, n, &gate_bias_));
  INFE_TRY(t.Grid(plan.Name("ffn_up_exps.bias"), config_.width, n, &up_bias_));
  return t.Grid(plan.Name("ffn_down_exps.bias"), plan.config.embedding, n, &down_bias_);
}

Result<void> MoeFfnPart::PlanExperts(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t width = config_.width;
  const bool fused = gated() && t.Has(plan.Name("ffn_gate_up_exps.weight"));
  experts_.resize(config_.experts);
  for (uint32_t e = 0; e < config_.experts; ++e) {
    MatrixSpec gate{.name = plan.Name(fused ? "ffn_gate_up_exps.weight" : "ffn_gate_exps.weight"),
                    .rows = width,
                    .cols = d,
                    .plane_rows = fused ? 2 * width : width,
                    .planes = config_.experts,
                    .plane = e};
    MatrixSpec up = gate;
    if (fused) {
      up.first_row = width;
    } else {
      up.name = plan.Name("ffn_up_exps.weight");
    }
    experts_[e].number = e;
    if (gated()) INFE_TRY(t.Matrix(gate, &experts_[e].gate));
    INFE_TRY(t.Matrix(up, &experts_[e].up));
    INFE_TRY(t.Matrix({.name = plan.Name("ffn_down_exps.weight"),
                       .rows = d,
                       .cols = width,
                       .planes = config_.experts,
                       .plane = e},
                      &experts_[e].down));
  }
  return {};
}

Result<void> MoeFfnPart::PlanShared(PartPlan& plan) {
  TensorPlan& t = plan.tensors;
  const uint32_t d = plan.config.embedding;
  const uint32_t width = config_.shared_width;
  if (gated()) {
    INFE_TRY(t.Matrix({.name = plan.Name("ffn_gate_shexp.weight"), .rows = width, .cols = d},
                      &shared_.gate));
  }
  INFE_TRY(
      t.Matrix({.name = plan.Name("ffn_up_shexp.weight"), .rows = width, .cols = d}, &shared_.up));
  INFE_TRY(t.Matrix({.name = plan.Name("ffn_down_shexp.weight"), .rows = d, .cols = width},
                    &shared_.down));
  if (config_.shared_gate) {
    INFE_TRY(t.Matrix({.name = plan.Name("ffn_gate_inp_shexp.weight"), .rows = 1, .cols = d},
                      &shared_gate_));
  }
  return {};
}

void MoeFfnPart::PlanBuffers(PartPlan& plan) {
  BufferPlan& shared = plan.scratch.shared;
  BufferPlan& own = plan.scratch.own;
  const uint32_t d = plan.config.embedding;
  const uint32_t rows = plan.limits.rows_max;
  const uint32_t entries = rows * config_.used;
  const Expert& first = experts_[0];
  const bool float_input =
      (gated() && kernels::IsFloat(first.gate.type)) || kernels::IsFloat(first.up.type);
  logits_ = shared.Floats("router", size_t{rows} * Padded(config_.experts));
  gates_ = shared.Floats("shared expert's gate", size_t{rows} * kStripeRows);
  lined_up_ = shared.Bytes("lined up", ActivationsBytes(entries, d));
  lined_up_floats_ = shared.Floats("lined up floats", float_input ? size_t{entries} * d : 0);
  hidden_ = shared.Bytes("experts' hidden", ActivationsBytes(entries, config_.width));
  hidden_floats_ =
      shared.Floats("experts' hidden floats",
                    kernels::IsFloat(first.down.type) ? size_t{entries} * config_.width : 0);
  const uint32_t shared_width = config_.shared_width;
  shared_hidden_ = shared.Bytes("hidden activations",
                                shared_width > 0 ? ActivationsBytes(rows, shared_width) : 0);
  shared_hidden_floats_ = shared.Floats(
      "hidden", kernels::IsFloat(shared_.down.type) ? size_t{rows} * shared_width : 0);
  mixed_ = shared.Floats("mixed", size_t{rows} * d);
  own_row_ = own.Floats("row", std::max(config_.width, config_.shared_width));
  own_entries_ = own.Bytes("entries", entries * sizeof(Entry));
  own_buckets_ = own.Bytes("buckets", config_.experts * sizeof(Bucket));
  own_counts_ = own.Bytes("line", 2 * sizeof(uint32_t));
  own_choices_ = own.Bytes("choices", entries * sizeof(Choice));
  own_scores_ = own.Floats("scores", config_.experts);
  own_logits_ = own.Floats("biased logits", config_.experts);
}

std::vector<Phase> MoeFfnPart::phases() const {
  return {{StepPart::kGateUp, RunPhase<MoeFfnPart, &MoeFfnPart::Route>},
          {StepPart::kGateUp, RunPhase<MoeFfnPart, &MoeFfnPart::LineUp>},
          {StepPart::kGateUp, RunPhase<MoeFfnPart, &MoeFfnPart::GateUp>},
          {StepPart::kDown, RunPhase<MoeFfnPart, &MoeFfnPart::Down>}};
}

MoeFfnPart::Line MoeFfnPart::OwnLine(const Lane& lane) const {
  return {.entries = As<Entry>(lane.own.Bytes(own_entries_)),
          .buckets = As<Bucket>(lane.own.Bytes(own_buckets_)),
          .counts = As<uint32_t>(lane.own.Bytes(own_counts_))};
}

Activations MoeFfnPart::LinedUp(const Step& step, uint32_t entries) const {
  return kernels::MakeActivations(step.scratch.shared.Bytes(lined_up_), entries,
                                  step.model.config.embedding,
                                  step.scratch.shared.Floats(lined_up_floats_));
}

Activations MoeFfnPart::Hidden(const Step& step, uint32_t entries) const {
  return kernels::MakeActivations(step.scratch.shared.Bytes(hidden_), entries, config_.width,
                                  step.scratch.shared.Floats(hidden_floats_));
}

Activations MoeFfnPart::SharedHidden(const Step& step, uint32_t rows) const {
  return kernels::MakeActivations(step.scratch.shared.Bytes(shared_hidden_), rows,
                                  config_.shared_width,
                                  step.scratch.shared.Floats(shared_hidden_floats_));
}

void MoeFfnPart::Route(Lane& lane, const Step& step) const {
  lane.input = Normalise(lane, step, router_norm_ != nullptr ? router_norm_ : norm_);
  const Buffers& shared = step.scratch.shared;
  const uint32_t stride = Padded(config_.experts);
  float* logits = shared.Floats(logits_);
  // The gate of the shared expert is one stripe more.
  const uint32_t stripes = router_.stripes();
  ForTiles(lane, stripes + shared_gate_.stripes(), lane.input.cols,
           [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
             const uint32_t end = std::min(s1, stripes);
             if (s0 < end) {
               Multiply(step, router_, lane.input, r0, r1, s0, end,
                        logits + size_t{r0} * stride + s0 * kStripeRows, stride);
             }
             if (s1 > stripes) {
               Multiply(step, shared_gate_, lane.input, r0, r1, 0, 1,
                        shared.Floats(gates_) + size_t{r0} * kStripeRows, kStripeRows);
             }
           });
}

// Counting sort of the rows' choices by expert; rows of an expert stay in order.
void MoeFfnPart::ChooseAll(Lane& lane, const Step& step) const {
  const uint32_t used = config_.used;
  const uint32_t stride = Padded(config_.experts);
  const float* shared_logits = step.scratch.shared.Floats(logits_);
  const Line line = OwnLine(lane);
  auto* choices = As<Choice>(lane.own.Bytes(own_choices_));
  const std::span scores(lane.own.Floats(own_scores_), config_.experts);
  std::fill_n(line.buckets, config_.experts, Bucket{});
  for (uint32_t r = 0; r < lane.rows; ++r) {
    const std::span chosen(choices + size_t{r} * used, used);
    const float* logits = shared_logits + size_t{r} * stride;
    if (router_bias_ != nullptr) {
      // Of this thread: the others read the logits at the same time.
      float* own = lane.own.Floats(own_logits_);
      std::memcpy(own, logits, config_.experts * sizeof(float));
      step.kernels.add(own, router_bias_, config_.experts);
      logits = own;
    }
    ChooseExperts(config_, step.kernels, logits, bias_, scores, chosen);
    for (Choice& choice : chosen) {
      if (expert_scales_ != nullptr) choice.weight *= expert_scales_[choice.expert];
      ++line.buckets[choice.expert].end;
    }
  }
  uint32_t at = 0;
  for (uint32_t e = 0; e < config_.experts; ++e) {
    const uint32_t count = line.buckets[e].end;
    line.buckets[e] = {.expert = e, .begin = at, .end = at};
    at += count;
  }
  for (uint32_t i = 0; i < lane.rows * used; ++i) {
    line.entries[line.buckets[choices[i].expert].end++] = {i / used, choices[i].weight};
  }
  line.counts[0] = at;
  line.counts[1] =
      static_cast<uint32_t>(std::remove_if(line.buckets, line.buckets + config_.experts,
                                           [](const Bucket& b) { return b.begin == b.end; }) -
                            line.buckets);
}

void MoeFfnPart::LineUp(Lane& lane, const Step& step) const {
  if (router_norm_ != nullptr) lane.input = Normalise(lane, step, norm_);
  ChooseAll(lane, step);
  const Line line = OwnLine(lane);
  const uint32_t d = step.model.config.embedding;
  const Activations out = LinedUp(step, line.counts[0]);
  float* floats = step.scratch.shared.Floats(lined_up_floats_);
  for (uint32_t i = lane.worker.index(); i < line.counts[0]; i += lane.worker.count()) {
    const float* row = lane.input.f32 + size_t{line.entries[i].row} * d;
    step.kernels.quantise_row(row, 0, d, i, out);
    if (floats != nullptr) std::memcpy(floats + size_t{i} * d, row, d * sizeof(float));
  }
}

void MoeFfnPart::AddBiases(const Step& step, const Expert& expert, uint32_t at, uint32_t n,
                           float* gate, float* up) const {
  const size_t first = size_t{expert.number} * config_.width + at;
  step.kernels.add(gate, gate_bias_ + first, n);
  step.kernels.add(up, up_bias_ + first, n);
}

void MoeFfnPart::GateUpTile(Lane& lane, const Step& step, const Expert& expert,
                            const Activations& input, const Activations& out, float* out_floats,
                            const uint32_t (&rows)[2], const uint32_t (&stripes)[2]) const {
  float* gate = lane.own.Floats(step.model.residual.tile_a);
  float* up = lane.own.Floats(step.model.residual.tile_b);
  // Whole stripes in pieces whose output fits a tile.
  const uint32_t row_step = RowsPerTile(rows[1] - rows[0], kStripeRows, input.cols);
  const uint32_t stripe_step = std::max(1u, kTileFloats / kStripeRows / row_step);
  for (uint32_t s0 = stripes[0]; s0 < stripes[1]; s0 += stripe_step) {
    const uint32_t s1 = std::min(s0 + stripe_step, stripes[1]);
    const uint32_t at = s0 * kStripeRows;
    const uint32_t cols = (s1 - s0) * kStripeRows;
    for (uint32_t r0 = rows[0]; r0 < rows[1]; r0 += row_step) {
      const uint32_t r1 = std::min(r0 + row_step, rows[1]);
      if (gated()) Multiply(step, expert.gate, input, r0, r1, s0, s1, gate, cols);
      Multiply(step, expert.up, input, r0, r1, s0, s1, up, cols);
      for (uint32_t r = r0; r < r1; ++r) {
        float* row =
            out_floats == nullptr ? lane.own.Floats(own_row_) : out_floats + size_t{r} * out.cols;
        const size_t from = size_t{r - r0} * cols;
        if (config_.biases) AddBiases(step, expert, at, cols, gate + from, up + from);
        Activate(step, config_.activation, gate + from, up + from, cols, row + at);
        step.kernels.quantise_row(row, at, at + cols, r, out);
      }
    }
  }
}

void MoeFfnPart::GateUp(Lane& lane, const Step& step) const {
  const Line line = OwnLine(lane);
  const Activations input = LinedUp(step, line.counts[0]);
  const Activations out = Hidden(step, line.counts[0]);
  const Activations shared_out = SharedHidden(step, lane.rows);
  const uint32_t stripes = config_.width / kStripeRows;
  const uint32_t experts = line.counts[1] * stripes;
  // Stripes of one expert after another, those of the shared one last.
  Share(lane, experts + shared_.up.stripes(), [&](uint32_t begin, uint32_t end) {
    while (begin < std::min(end, experts)) {
      const Bucket& bucket = line.buckets[begin / stripes];
      const uint32_t s0 = begin % stripes;
      const uint32_t s1 = std::min(stripes, s0 + end - begin);
      GateUpTile(lane, step, experts_[bucket.expert], input, out,
                 step.scratch.shared.Floats(hidden_floats_), {bucket.begin, bucket.end}, {s0, s1});
      begin += s1 - s0;
    }
    if (begin >= end) return;
    GateUpTile(lane, step, shared_, lane.input, shared_out,
               step.scratch.shared.Floats(shared_hidden_floats_), {0, lane.rows},
               {begin - experts, end - experts});
  });
}

void MoeFfnPart::DownStripes(Lane& lane, const Step& step, uint32_t s0, uint32_t s1) const {
  const Line line = OwnLine(lane);
  const Activations hidden = Hidden(step, line.counts[0]);
  const uint32_t d = step.model.config.embedding;
  const uint32_t cols = (s1 - s0) * kStripeRows;
  float* mixed = step.scratch.shared.Floats(mixed_) + s0 * kStripeRows;
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  for (uint32_t b = 0; b < line.counts[1]; ++b) {
    const Bucket& bucket = line.buckets[b];
    const PackedMatrix& down = experts_[bucket.expert].down;
    const uint32_t rows = std::min(RowsPerTile(bucket.end - bucket.begin, kStripeRows, hidden.cols),
                                   kTileFloats / cols);
    for (uint32_t e0 = bucket.begin; e0 < bucket.end; e0 += rows) {
      const uint32_t e1 = std::min(e0 + rows, bucket.end);
      Multiply(step, down, hidden, e0, e1, s0, s1, tile, cols);
      for (uint32_t e = e0; e < e1; ++e) {
        float* row = tile + size_t{e - e0} * cols;
        if (config_.biases) {
          step.kernels.add(row, down_bias_ + size_t{bucket.expert} * d + s0 * kStripeRows, cols);
        }
        AddWeighed(step, mixed + size_t{line.entries[e].row} * d, row, line.entries[e].weight,
                   cols);
      }
    }
  }
}

void MoeFfnPart::DownShared(Lane& lane, const Step& step, uint32_t s0, uint32_t s1) const {
  const Activations hidden = SharedHidden(step, lane.rows);
  const uint32_t d = step.model.config.embedding;
  const uint32_t cols = (s1 - s0) * kStripeRows;
  float* mixed = step.scratch.shared.Floats(mixed_) + s0 * kStripeRows;
  float* tile = lane.own.Floats(step.model.residual.tile_a);
  const float* gates = step.scratch.shared.Floats(gates_);
  const uint32_t rows =
      std::min(RowsPerTile(lane.rows, kStripeRows, hidden.cols), kTileFloats / cols);
  for (uint32_t r0 = 0; r0 < lane.rows; r0 += rows) {
    const uint32_t r1 = std::min(r0 + rows, lane.rows);
    Multiply(step, shared_.down, hidden, r0, r1, s0, s1, tile, cols);
    for (uint32_t r = r0; r < r1; ++r) {
      const float factor =
          config_.shared_gate ? Sigmoid(step.kernels, gates[size_t{r} * kStripeRows]) : 1;
      AddWeighed(step, mixed + size_t{r} * d, tile + size_t{r - r0} * cols, factor, cols);
    }
  }
}

void MoeFfnPart::Down(Lane& lane, const Step& step) const {
  const uint32_t d = step.model.config.embedding;
  float* mixed = step.scratch.shared.Floats(mixed_);
  Share(lane, d / kStripeRows, [&](uint32_t begin, uint32_t end) {
    for (uint32_t s0 = begin; s0 < end; s0 += kDownStripes) {
      const uint32_t s1 = std::min(s0 + kDownStripes, end);
      const uint32_t at = s0 * kStripeRows;
      const uint32_t cols = (s1 - s0) * kStripeRows;
      for (uint32_t r = 0; r < lane.rows; ++r) {
        std::memset(mixed + size_t{r} * d + at, 0, cols * sizeof(float));
      }
      DownStripes(lane, step, s0, s1);
      if (config_.shared_width > 0) DownShared(lane, step, s0, s1);
      for (uint32_t r = 0; r < lane.rows; ++r) {
        AddToRow(lane, step, add_, r, at, mixed + size_t{r} * d + at, cols);
      }
    }
  });
  EndAdd(lane, add_);
}

}  // namespace infe::model
