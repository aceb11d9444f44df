#include "model/forward.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace infe::model {
namespace {

using kernels::Activations;
using kernels::kActivationGroup;
using kernels::kStripeRows;
using kernels::PackedMatrix;

// A thread takes this fraction (of its share) of the units that are left: long runs first, whose
// weights are one linear stream, and single units at the end, so that a thread whose time was
// stolen by a neighbour on the machine holds the others up by one unit at most. Polychronopoulos &
// Kuck 1987.
constexpr uint32_t kGuide = 2;
// Stripes of the head taken at a time: one run of logits.
constexpr uint32_t kHeadChunk = kLogitSpan / kStripeRows;
// Runs that are computed before they are summed up: what 16 rows of them take, 64 KiB, is in the
// cache then.
constexpr uint32_t kHeadRuns = 4;

// Rows of a product call with `cols` outputs of `inputs` columns each. Whole groups, for kernels
// that take rows by the group.
uint32_t RowsPerTile(uint32_t rows, uint32_t cols, uint32_t inputs) {
  const uint32_t cached = kTileInputBytes / inputs / kActivationGroup * kActivationGroup;
  return std::max(
      1u, std::min({rows, std::clamp(cached, kTileRowsMin, kTileRowsMax), kTileFloats / cols}));
}

}  // namespace

uint32_t HeadsPerUnit(uint32_t heads, uint32_t head_dim) {
  uint32_t n = 1;
  while (n < heads && (n * head_dim % kStripeRows != 0 || heads % n != 0)) ++n;
  return n;
}

template <typename Body>
void Forward::Share(Lane& lane, Phase phase, uint32_t n, const Body& body) const {
  const uint32_t threads = lane.worker.count();
  if (threads == 1) {
    body(0, n);
    return;
  }
  std::atomic<uint32_t>& next = Cursor(phase).next;
  uint32_t at = next.load(std::memory_order_relaxed);
  while (at < n) {
    const uint32_t count = std::max(1u, (n - at) / (kGuide * threads));
    if (!next.compare_exchange_weak(at, at + count, std::memory_order_relaxed)) continue;
    body(at, at + count);
    at = next.load(std::memory_order_relaxed);
  }
}

Activations Forward::AttendedActivations(uint32_t rows) const {
  return kernels::MakeActivations(scratch_.attended_activations, rows,
                                  config_.heads * config_.head_dim, scratch_.attended);
}

Activations Forward::HiddenActivations(uint32_t rows) const {
  return kernels::MakeActivations(scratch_.hidden_activations, rows, config_.feed_forward,
                                  scratch_.hidden);
}

std::byte* Forward::Tile(uint32_t layer, uint32_t kv_head, uint32_t item, uint32_t position) const {
  const uint32_t g = context_.group_of_layer[layer];
  const KvGroup& group = context_.groups[g];
  const uint32_t block = batch_.items[item].blocks[g][position / kBlockPositions];
  if (block == kNoBlock) return nullptr;
  return kv_.arena[g] + block * group.block_bytes +
         context_.index_in_group[layer] * group.layer_bytes + kv_head * context_.kv_tile_bytes;
}

void Forward::Run(Worker& worker) const {
  const bool main = worker.index() == 0;
  const uint32_t wanted = static_cast<uint32_t>(plan_.wanted.size());
  Lane lane{worker, scratch_.threads[worker.index()], static_cast<uint32_t>(plan_.rows.size()),
            scratch_.x[0], scratch_.x[1]};
  PhaseClock clock(main ? times_ : nullptr);
  Embed(lane);
  worker.Barrier();
  clock.Lap(StepPart::kEmbed);
  const float* post_norm = nullptr;
  for (uint32_t l = 0; l < config_.layers; ++l) {
    const LayerWeights& layer = context_.weights.layers[l];
    const bool last = l + 1 == config_.layers;
    Qkv(lane, l, Normalise(lane, post_norm, layer.attention_norm));
    worker.Barrier();
    if (main) Cursor(Phase::kQkv).Reset();
    clock.Lap(StepPart::kQkv);

    AttentionPlan* attention = &plan_.attention[context_.group_of_layer[l]];
    if (last && wanted < lane.rows) {
      if (wanted == 0) return;
      DropUnwantedRows(lane);
      attention = &plan_.attention_wanted;
    }
    Attention(lane, l, *attention);
    worker.Barrier();
    if (main) Cursor(Phase::kAttention).Reset();
    clock.Lap(StepPart::kAttention);
    QuantiseAttended(lane);
    Project(lane, Phase::kOutput, layer.o, AttendedActivations(lane.rows));
    worker.Barrier();
    if (main) Cursor(Phase::kOutput).Reset();
    clock.Lap(StepPart::kOutput);

    GateUp(lane, l, Normalise(lane, layer.post_attention_norm, layer.feed_forward_norm));
    worker.Barrier();
    if (main) Cursor(Phase::kGateUp).Reset();
    clock.Lap(StepPart::kGateUp);

    Project(lane, Phase::kDown, layer.down, HiddenActivations(lane.rows));
    worker.Barrier();
    if (main) Cursor(Phase::kDown).Reset();
    clock.Lap(StepPart::kDown);
    post_norm = layer.post_feed_forward_norm;
  }
  // With all rows wanted, or with the last layer's wanted rows alone.
  if (wanted > 0) {
    Lane head = lane;
    INFE_DCHECK(head.rows == wanted);
    const Activations input = Normalise(head, post_norm, context_.weights.output_norm);
    Head(head, input);
    clock.Lap(StepPart::kHead);
  }
}

void Forward::Head(Lane& lane, const Activations& input) const {
  const uint32_t stripes = context_.weights.head.stripes();
  const bool summarise =
      std::any_of(plan_.wanted.begin(), plan_.wanted.end(),
                  [](const LogitsRow& row) { return row.inverse_temperature >= 0; });
  Share(lane, Phase::kHead, (stripes + kHeadChunk - 1) / kHeadChunk,
        [&](uint32_t begin, uint32_t end) {
          const uint32_t step = summarise ? kHeadRuns : end - begin;
          for (; begin < end; begin += step) {
            const uint32_t to = std::min(begin + step, end);
            HeadRows(input, begin * kHeadChunk, std::min(to * kHeadChunk, stripes),
                     lane.own.tile_a);
            if (summarise) SummariseRows(begin, to, lane.own.span);
          }
        });
}

// Summaries of the runs [begin, end) of logits of the rows that want them.
void Forward::SummariseRows(uint32_t begin, uint32_t end, float* span) const {
  const uint32_t spans = LogitSpans(config_.vocabulary);
  for (uint32_t r = 0; r < plan_.wanted.size(); ++r) {
    const LogitsRow& row = plan_.wanted[r];
    if (row.inverse_temperature < 0) continue;
    for (uint32_t s = begin; s < end; ++s) {
      const uint32_t at = s * kLogitSpan;
      const uint32_t count = std::min(kLogitSpan, config_.vocabulary - at);
      const uint64_t* mask = nullptr;
      if (!row.mask.empty()) {
        if (row.mask.size() < (at + count + 63) / 64) continue;
        mask = row.mask.data() + at / 64;
      }
      scratch_.summaries[size_t{r} * spans + s] = Summarise(
          kernels_, MaskSpan(scratch_.logits + r * scratch_.logits_stride + at, count, mask, span),
          row.inverse_temperature);
    }
  }
}

void Forward::Embed(Lane& lane) const {
  const uint32_t d = config_.embedding;
  const uint32_t half = config_.head_dim / 2;
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    const StepRow& row = plan_.rows[r];
    float* x = lane.x + size_t{r} * d;
    context_.weights.Embed(kernels_, row.token, x);
    if (config_.embedding_scale != 1) kernels_.scale(x, config_.embedding_scale, d);
    for (size_t t = 0; t < context_.ropes.size(); ++t) {
      context_.ropes[t].Fill(row.position, scratch_.rope + (t * lane.rows + r) * 2 * half);
    }
  }
}

void Forward::NormaliseRow(Lane& lane, uint32_t row, const float* post_norm, const float* weight,
                           bool keep_x, const Activations& out, float* normed) const {
  const uint32_t d = config_.embedding;
  const float* x = lane.x + size_t{row} * d;
  float* y = normed == nullptr ? lane.own.row : normed + size_t{row} * d;
  if (post_norm != nullptr) {
    // The sum goes through y, private to this thread: others read x at the same time.
    kernels_.rms_norm(scratch_.delta + size_t{row} * d, post_norm, config_.rms_epsilon, d, y);
    kernels_.add(y, x, d);
    if (keep_x) std::memcpy(lane.x_next + size_t{row} * d, y, d * sizeof(float));
    x = y;
  }
  kernels_.rms_norm(x, weight, config_.rms_epsilon, d, y);
  kernels_.quantise_row(y, 0, d, row, out);
}

Activations Forward::Normalise(Lane& lane, const float* post_norm, const float* weight) const {
  const uint32_t index = lane.worker.index();
  const uint32_t threads = lane.worker.count();
  const bool shared = lane.rows > kPrivateNormRowsMax && threads > 1;
  const bool own = !shared && threads > 1;
  float* normed = own ? lane.own.normed : scratch_.normed;
  const Activations out =
      kernels::MakeActivations(own ? lane.own.norm_activations : scratch_.norm_activations,
                               lane.rows, config_.embedding, normed);
  const uint32_t begin = shared ? lane.rows * index / threads : 0;
  const uint32_t end = shared ? lane.rows * (index + 1) / threads : lane.rows;
  for (uint32_t r = begin; r < end; ++r) {
    NormaliseRow(lane, r, post_norm, weight, shared || r % threads == index, out, normed);
  }
  if (shared) lane.worker.Barrier();
  if (post_norm != nullptr) std::swap(lane.x, lane.x_next);
  return out;
}

void Forward::Qkv(Lane& lane, uint32_t layer, const Activations& input) const {
  const uint32_t kv_heads = HeadsPerUnit(config_.kv_heads, config_.head_dim);
  const uint32_t q_heads = HeadsPerUnit(config_.heads, config_.head_dim);
  const uint32_t kv_units = config_.kv_heads / kv_heads;
  // Keys and values first: their units are twice as large, and the tail should be fine-grained.
  Share(lane, Phase::kQkv, kv_units + config_.heads / q_heads, [&](uint32_t begin, uint32_t end) {
    for (uint32_t unit = begin; unit < end; ++unit) {
      if (unit < kv_units) {
        KeyValueUnit(lane, layer, input, unit * kv_heads, kv_heads);
      } else {
        QueryUnit(lane, layer, input, (unit - kv_units) * q_heads, q_heads);
      }
    }
  });
}

// Bias, head norm and rotation of one head of one row, in place. norm null for values (which are
// not rotated either: they do not come here).
void Forward::FinishHead(float* head, uint32_t layer, uint32_t row, const float* bias,
                         const float* norm) const {
  const uint32_t dim = config_.head_dim;
  if (bias != nullptr) kernels_.add(head, bias, dim);
  if (norm != nullptr) kernels_.rms_norm(head, norm, config_.rms_epsilon, dim, head);
  const size_t table = context_.rope_of_layer[layer] * plan_.rows.size() + row;
  kernels_.rope(head, scratch_.rope + table * dim, dim);
}

void Forward::QueryUnit(Lane& lane, uint32_t layer, const Activations& input, uint32_t head,
                        uint32_t heads) const {
  const LayerWeights& w = context_.weights.layers[layer];
  const uint32_t dim = config_.head_dim;
  const uint32_t width = config_.heads * dim;
  const uint32_t stripe = head * dim / kStripeRows;
  const uint32_t stripe_end = (head * dim + heads * dim + kStripeRows - 1) / kStripeRows;
  const uint32_t cols = (stripe_end - stripe) * kStripeRows;
  const uint32_t step = RowsPerTile(lane.rows, cols, input.cols);
  for (uint32_t r0 = 0; r0 < lane.rows; r0 += step) {
    const uint32_t r1 = std::min(r0 + step, lane.rows);
    float* tile = lane.own.tile_a;
    kernels_.matmul(w.q, input, r0, r1, stripe, stripe_end, tile, cols);
    for (uint32_t r = r0; r < r1; ++r) {
      float* row = tile + size_t{r - r0} * cols;
      for (uint32_t h = 0; h < heads; ++h) {
        const uint32_t at = (head + h) * dim;
        FinishHead(row + h * dim, layer, r, w.q_bias == nullptr ? nullptr : w.q_bias + at,
                   w.q_norm);
      }
      std::memcpy(scratch_.q + size_t{r} * width + head * dim, row, heads * dim * sizeof(float));
    }
  }
}

void Forward::KeyValueUnit(Lane& lane, uint32_t layer, const Activations& input, uint32_t head,
                           uint32_t heads) const {
  const LayerWeights& w = context_.weights.layers[layer];
  const uint32_t dim = config_.head_dim;
  const uint32_t stripe = head * dim / kStripeRows;
  const uint32_t stripe_end = (head * dim + heads * dim + kStripeRows - 1) / kStripeRows;
  const uint32_t cols = (stripe_end - stripe) * kStripeRows;
  const uint32_t step = RowsPerTile(lane.rows, cols, input.cols);
  for (uint32_t r0 = 0; r0 < lane.rows; r0 += step) {
    const uint32_t r1 = std::min(r0 + step, lane.rows);
    kernels_.matmul(w.k, input, r0, r1, stripe, stripe_end, lane.own.tile_a, cols);
    kernels_.matmul(w.v, input, r0, r1, stripe, stripe_end, lane.own.tile_b, cols);
    for (uint32_t r = r0; r < r1; ++r) {
      const StepRow& row = plan_.rows[r];
      for (uint32_t h = 0; h < heads; ++h) {
        const uint32_t at = (head + h) * dim;
        float* k = lane.own.tile_a + size_t{r - r0} * cols + h * dim;
        float* v = lane.own.tile_b + size_t{r - r0} * cols + h * dim;
        FinishHead(k, layer, r, w.k_bias == nullptr ? nullptr : w.k_bias + at, w.k_norm);
        if (w.v_bias != nullptr) kernels_.add(v, w.v_bias + at, dim);
        std::byte* tile = Tile(layer, head + h, row.item, row.position);
        INFE_DCHECK(tile != nullptr);
        kernels_.kv_write(context_.kv_type, tile, row.position % kBlockPositions, k, v, dim);
      }
    }
  }
}

void Forward::DropUnwantedRows(Lane& lane) const {
  const uint32_t d = config_.embedding;
  const uint32_t wanted = static_cast<uint32_t>(plan_.wanted.size());
  for (uint32_t i = lane.worker.index(); i < wanted; i += lane.worker.count()) {
    std::memcpy(scratch_.x_wanted[0] + size_t{i} * d, lane.x + size_t{plan_.wanted[i].row} * d,
                d * sizeof(float));
  }
  // The barrier after attention comes before anyone reads them.
  lane.rows = wanted;
  lane.x = scratch_.x_wanted[0];
  lane.x_next = scratch_.x_wanted[1];
}

void Forward::Attention(Lane& lane, uint32_t layer, AttentionPlan& plan) const {
  WorkCursor& cursor = Cursor(Phase::kAttention);
  for (;;) {
    const uint32_t t = cursor.Take(1);
    if (t >= plan.tasks.size()) return;
    AttentionTaskRun(lane, layer, plan, plan.tasks[t]);
  }
}

void Forward::AttentionTaskRun(Lane& lane, uint32_t layer, AttentionPlan& plan,
                               const AttentionTask& task) const {
  const AttentionUnit& unit = plan.units[task.unit];
  const KvGroup& group = context_.groups[context_.group_of_layer[layer]];
  const uint32_t dim = config_.head_dim;
  const uint32_t width = config_.heads * dim;
  // Tiles of this task: those from the first position its first row sees, or its span's.
  const uint32_t lowest =
      group.window != 0 && unit.position + 1 > group.window ? unit.position + 1 - group.window : 0;
  uint32_t begin = lowest;
  uint32_t end = unit.position + unit.rows;
  if (unit.spans > 0) {
    begin = std::max(begin, task.span * kernels::kAttentionSpan);
    end = std::min(end, (task.span + 1) * kernels::kAttentionSpan);
  }
  for (uint32_t b = begin / kBlockPositions; b * kBlockPositions < end; ++b) {
    lane.own.tiles[b] = Tile(layer, unit.kv_head, unit.item, b * kBlockPositions);
  }
  kernels::AttentionArgs args;
  args.q = scratch_.q + size_t{unit.row} * width + unit.head * dim;
  args.q_stride = width;
  args.out = scratch_.attended + size_t{unit.out_row} * width + unit.head * dim;
  args.out_stride = width;
  args.rows = unit.rows;
  args.group = unit.heads;
  args.head_dim = dim;
  args.position = unit.position;
  args.window = group.window;
  args.scale = config_.attention_scale;
  args.tiles = lane.own.tiles.data();
  args.scratch = lane.own.attention;
  if (unit.spans == 0) {
    kernels_.attention(context_.kv_type, args);
  } else {
    float* partials = scratch_.partials + unit.partials;
    kernels_.attention_span(context_.kv_type, args, task.span,
                            partials + (task.span - unit.first_span) * unit.partial_stride);
    std::atomic<uint32_t>& unfinished = plan.unfinished[task.unit];
    if (unfinished.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    unfinished.store(unit.spans, std::memory_order_relaxed);  // for the next layer
    kernels_.attention_merge(args, partials, unit.spans, unit.partial_stride);
  }
  if (dim % kernels::kActivationBlock != 0) return;  // QuantiseAttended does it
  const Activations out = AttendedActivations(lane.rows);
  for (uint32_t r = unit.out_row; r < unit.out_row + unit.rows; ++r) {
    kernels_.quantise_row(scratch_.attended + size_t{r} * width, unit.head * dim,
                          (unit.head + unit.heads) * dim, r, out);
  }
}

// Heads that do not end on blocks of activations are quantised by row, after attention.
void Forward::QuantiseAttended(Lane& lane) const {
  if (config_.head_dim % kernels::kActivationBlock == 0) return;
  const uint32_t width = config_.heads * config_.head_dim;
  const Activations out = AttendedActivations(lane.rows);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    kernels_.quantise_row(scratch_.attended + size_t{r} * width, 0, width, r, out);
  }
  lane.worker.Barrier();
}

template <typename Body>
void Forward::ForTiles(Lane& lane, Phase phase, uint32_t stripes, uint32_t inputs,
                       const Body& body) const {
  const uint32_t row_step = RowsPerTile(lane.rows, kStripeRows, inputs);
  const uint32_t stripe_step = std::max(1u, kTileFloats / kStripeRows / row_step);
  Share(lane, phase, stripes, [&](uint32_t begin, uint32_t end) {
    for (uint32_t s0 = begin; s0 < end; s0 += stripe_step) {
      for (uint32_t r0 = 0; r0 < lane.rows; r0 += row_step) {
        body(s0, std::min(s0 + stripe_step, end), r0, std::min(r0 + row_step, lane.rows));
      }
    }
  });
}

void Forward::Project(Lane& lane, Phase phase, const PackedMatrix& matrix,
                      const Activations& input) const {
  const uint32_t d = config_.embedding;
  const bool add = !config_.post_norms;
  float* target = add ? lane.x : scratch_.delta;
  float* tile = lane.own.tile_a;
  const auto project = [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
    const uint32_t cols = (s1 - s0) * kStripeRows;
    kernels_.matmul(matrix, input, r0, r1, s0, s1, tile, cols);
    for (uint32_t r = r0; r < r1; ++r) {
      float* to = target + size_t{r} * d + s0 * kStripeRows;
      const float* from = tile + size_t{r - r0} * cols;
      if (add) {
        kernels_.add(to, from, cols);
      } else {
        std::memcpy(to, from, cols * sizeof(float));
      }
    }
  };
  ForTiles(lane, phase, matrix.stripes(), input.cols, project);
}

void Forward::GateUp(Lane& lane, uint32_t layer, const Activations& input) const {
  const LayerWeights& w = context_.weights.layers[layer];
  const uint32_t width = config_.feed_forward;
  const auto activation =
      config_.activation == Activation::kSwiGlu ? kernels_.swiglu : kernels_.geglu;
  const Activations out = HiddenActivations(lane.rows);
  float* gate = lane.own.tile_a;
  float* up = lane.own.tile_b;
  ForTiles(lane, Phase::kGateUp, w.gate.stripes(), input.cols,
           [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
             const uint32_t at = s0 * kStripeRows;
             const uint32_t cols = (s1 - s0) * kStripeRows;
             kernels_.matmul(w.gate, input, r0, r1, s0, s1, gate, cols);
             kernels_.matmul(w.up, input, r0, r1, s0, s1, up, cols);
             for (uint32_t r = r0; r < r1; ++r) {
               // The activation of these columns lands where a whole row would have them.
               float* row =
                   scratch_.hidden == nullptr ? lane.own.row : scratch_.hidden + size_t{r} * width;
               const size_t from = size_t{r - r0} * cols;
               activation(gate + from, up + from, cols, row + at);
               kernels_.quantise_row(row, at, at + cols, r, out);
             }
           });
}

// Logits of the wanted rows over some stripes. Rows that need all of the vocabulary are computed in
// runs; a row that names its tokens is computed where it lies inside such a run and masked.
void Forward::HeadRows(const Activations& input, uint32_t stripe_begin, uint32_t stripe_end,
                       float* tile) const {
  const PackedMatrix& head = context_.weights.head;
  const uint32_t begin = stripe_begin * kStripeRows;
  const uint32_t end = std::min(stripe_end * kStripeRows, head.rows);
  const uint32_t rows = static_cast<uint32_t>(plan_.wanted.size());
  const auto chosen = [&](uint32_t r) { return plan_.wanted[r].tokens; };
  for (uint32_t r = 0; r < rows;) {
    if (!chosen(r).empty()) {
      ++r;
      continue;
    }
    uint32_t run_end = r + 1;
    for (uint32_t i = r + 1; i < rows; ++i) {
      if (chosen(i).empty()) run_end = i + 1;
    }
    kernels_.matmul(head, input, r, run_end, stripe_begin, stripe_end,
                    scratch_.logits + r * scratch_.logits_stride + begin, scratch_.logits_stride);
    r = run_end;
  }
  for (uint32_t r = 0; r < rows; ++r) {
    const std::span<const TokenId> tokens = chosen(r);
    if (tokens.empty()) continue;
    float* logits = scratch_.logits + r * scratch_.logits_stride;
    std::fill(logits + begin, logits + end, -std::numeric_limits<float>::infinity());
    const auto from = std::lower_bound(tokens.begin(), tokens.end(), begin);
    const auto to = std::lower_bound(from, tokens.end(), end);
    // In pieces that the thread's tile can hold.
    for (auto at = from; at < to;) {
      const uint32_t count = static_cast<uint32_t>(std::min<size_t>(to - at, kTileFloats));
      kernels_.matvec_rows(head, input, r, &*at, count, tile);
      for (uint32_t i = 0; i < count; ++i) logits[at[i]] = tile[i];
      at += count;
    }
  }
}

}  // namespace infe::model
