#include "model/scratch.h"

#include <algorithm>

#include "kernels/activations.h"

namespace infe::model {
namespace {

using kernels::ActivationsBytes;
using kernels::kStripeRows;

// Hands out aligned pieces of one buffer: first a dry run to add up, then the real one.
class Arena {
 public:
  std::byte* Bytes(size_t bytes) {
    const size_t at = used_;
    used_ += (bytes + 255) / 256 * 256;
    return base_ == nullptr ? nullptr : base_ + at;
  }
  float* Floats(size_t count) { return reinterpret_cast<float*>(Bytes(count * sizeof(float))); }
  void Rebase(std::byte* base) {
    base_ = base;
    used_ = 0;
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_ = nullptr;
  size_t used_ = 0;
};

void LayOut(Scratch& s, Arena& arena, const ModelConfig& config, const ScratchShape& shape) {
  const size_t rows = shape.rows_max;
  const size_t d = config.embedding;
  const uint32_t attention = config.heads * config.head_dim;
  s.x[0] = arena.Floats(rows * d);
  s.x[1] = config.post_norms ? arena.Floats(rows * d) : s.x[0];
  s.x_wanted[0] = arena.Floats(shape.logits_rows_max * d);
  s.x_wanted[1] = config.post_norms ? arena.Floats(shape.logits_rows_max * d) : s.x_wanted[0];
  s.delta = config.post_norms ? arena.Floats(rows * d) : nullptr;
  s.q = arena.Floats(rows * attention);
  s.attended = arena.Floats(rows * attention);
  s.normed = shape.any_float ? arena.Floats(rows * d) : nullptr;
  s.hidden = shape.any_float ? arena.Floats(rows * config.feed_forward) : nullptr;
  s.norm_activations = arena.Bytes(ActivationsBytes(shape.rows_max, config.embedding));
  s.attended_activations = arena.Bytes(ActivationsBytes(shape.rows_max, attention));
  s.hidden_activations = arena.Bytes(ActivationsBytes(shape.rows_max, config.feed_forward));
  s.rope = arena.Floats(shape.rope_tables * rows * config.head_dim);
  s.partials = arena.Floats(shape.partial_floats);
  s.logits = arena.Floats(shape.logits_rows_max * s.logits_stride);
}

void LayOutThread(ThreadScratch& t, Arena& arena, const ModelConfig& config,
                  const kernels::KernelTable& kernels, const ScratchShape& shape) {
  const uint32_t attention = config.heads * config.head_dim;
  const uint32_t group = config.heads / config.kv_heads;
  t.row = arena.Floats(std::max({config.embedding, config.feed_forward, attention}));
  t.normed =
      shape.any_float ? arena.Floats(size_t{kPrivateNormRowsMax} * config.embedding) : nullptr;
  t.norm_activations = arena.Bytes(ActivationsBytes(kPrivateNormRowsMax, config.embedding));
  // At least one row of the widest unit that is not cut: all heads, if they do not end on stripes.
  const size_t tile = std::max<size_t>(kTileFloats, attention + kStripeRows);
  t.tile_a = arena.Floats(tile);
  t.tile_b = arena.Floats(tile);
  t.span = arena.Floats(kLogitSpan);
  t.attention =
      arena.Floats(kernels.attention_scratch_floats(shape.query_rows_max, group, config.head_dim));
}

}  // namespace

Scratch::Scratch(const ModelConfig& config, const kernels::KernelTable& kernels,
                 const ScratchShape& shape)
    : logits_stride((size_t{config.vocabulary} + kStripeRows - 1) / kStripeRows * kStripeRows),
      threads(shape.threads) {
  Arena arena;
  LayOut(*this, arena, config, shape);
  buffers_.emplace_back(arena.used());
  arena.Rebase(buffers_.back().data());
  LayOut(*this, arena, config, shape);
  summaries.resize(size_t{shape.logits_rows_max} * LogitSpans(config.vocabulary));
  // A buffer per thread: no page, and no cache line, is shared by two threads' private data.
  for (ThreadScratch& thread : threads) {
    Arena own;
    LayOutThread(thread, own, config, kernels, shape);
    buffers_.emplace_back(own.used());
    own.Rebase(buffers_.back().data());
    LayOutThread(thread, own, config, kernels, shape);
    thread.tiles.resize(config.context_length / kernels::kKvTilePositions + 1);
  }
}

}  // namespace infe::model
