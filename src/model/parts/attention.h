// Softmax attention over the keys and values of a sequence, grouped queries. Where positions see
// both sides of a text its keys and values last for the step only. Three phases:
//   1 the input, Q, K and V; then bias, head norms, rotation and the write of K and V
//   2 attention, then quantise
//   3 output projection, added to the stream
// What follows a semicolon or a comma is done by the thread that produced the values, on what is
// still in its cache. Tensors: attn_norm, attn_{q,k,v,output} (or attn_qkv for the first three),
// attn_{q,k}_norm, biases of all four, attn_sinks, post_attention_norm; of norms of the stream
// token_embd_norm or the layer before's layer_output_norm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/parts/part.h"
#include "model/parts/residual.h"

namespace infe::model {

class AttentionPart : public Part {
 public:
  explicit AttentionPart(const LayerConfig& layer)
      : config_(std::get<AttentionConfig>(layer.mixer)),
        pre_norms_(layer.pre_norms),
        post_norms_(layer.post_norms),
        stream_norms_(layer.stream_norms),
        add_{.scale = layer.residual_scale} {}

  Result<void> Plan(PartPlan& plan) override;
  std::vector<Phase> phases() const override;

 private:
  // The projection of Q, K or V and what is done to each head of it.
  struct Projection {
    kernels::PackedMatrix matrix;  // [heads * head_dim, embedding]
    const float* bias = nullptr;   // [heads * head_dim]
    const float* norm = nullptr;   // [head_dim], or of all heads
  };

  Result<void> PlanTensors(PartPlan& plan);
  Result<void> PlanNorms(PartPlan& plan);
  Result<void> PlanTiles(PartPlan& plan);
  void PlanBuffers(PartPlan& plan);

  void Qkv(Lane& lane, const Step& step) const;
  void Attend(Lane& lane, const Step& step) const;
  void Output(Lane& lane, const Step& step) const;

  void QueryUnit(Lane& lane, const Step& step, const kernels::Activations& input, uint32_t head,
                 uint32_t heads) const;
  void KeyValueUnit(Lane& lane, const Step& step, const kernels::Activations& input, uint32_t head,
                    uint32_t heads) const;
  Result<void> PlanProjections(PartPlan& plan, std::span<const uint32_t> q_order,
                               std::span<const uint32_t> k_order);
  Result<void> PlanVectors(PartPlan& plan, std::span<const uint32_t> q_order,
                           std::span<const uint32_t> k_order);
  // Norms, biases and rotation of `heads` heads from `head` on of one row of Q or K, in place.
  void FinishHeads(const Step& step, float* heads_of_row, uint32_t head, uint32_t heads,
                   uint32_t row, const Projection& projection) const;
  void GateUnit(Lane& lane, const Step& step, const kernels::Activations& input, uint32_t head,
                uint32_t heads) const;
  // Multiplies heads of what one row attended to by their gates. step_row: among those of the
  // step.
  void Gate(const Step& step, float* attended, uint32_t step_row, uint32_t head,
            uint32_t heads) const;
  void GrowQuery(const Step& step, float* head, uint32_t row) const;
  void RunTask(Lane& lane, const Step& step, const AttentionPlan& plan,
               const AttentionTask& task) const;
  void QuantiseAttended(Lane& lane, const Step& step) const;

  kernels::Activations Attended(const Step& step, uint32_t rows) const;
  std::byte* Tile(const Step& step, uint32_t kv_head, uint32_t item, uint32_t position) const;
  uint32_t group() const { return config_.heads / config_.kv_heads; }
  uint32_t width() const { return config_.heads * config_.head_dim; }

  const AttentionConfig config_;
  const bool pre_norms_;
  const bool post_norms_;
  const bool stream_norms_;
  StreamAdd add_;

  StreamNorm norm_;
  Projection q_, k_, v_;
  kernels::PackedMatrix gate_;    // as Q, without rows if there is none
  const float* sinks_ = nullptr;  // [heads], null without
  kernels::PackedMatrix o_;       // [embedding, heads * head_dim]

  StateSlot slot_;
  BufferId step_tiles_;  // of texts of which both sides are seen: [tiles][kv_heads]
  size_t tile_bytes_ = 0;
  uint32_t rope_ = 0;   // index of the table
  uint32_t shape_ = 0;  // index of the plan of units
  BufferId queries_;    // [rows][heads * head_dim]
  BufferId gates_;      // [rows][heads * head_dim], sigmoids; null without
  BufferId attended_;   // [rows][heads * head_dim]
  BufferId activations_;
  BufferId partials_;
  BufferId own_scratch_;
  BufferId own_tiles_;  // pointers to the tiles of one unit: [context / 32]
};

// Query rows of one attention unit: enough to use a key tile several times while it is in L1.
inline constexpr uint32_t kQueryRowsMax = 16;

// Tiles of one head that the texts of a step can need: whole ones, and what each wastes.
inline uint32_t StepTilesMax(const StepLimits& limits) {
  return limits.rows_max / kBlockPositions + std::min(limits.rows_max, limits.logits_rows_max);
}

// The norm of the stream behind layer `layer` of those that have such.
std::string StreamNormName(uint32_t layer);

AttentionShape ShapeOf(const AttentionConfig& config);

// Heads of one unit of phase 1: as few as end on a stripe.
uint32_t HeadsPerUnit(uint32_t heads, uint32_t head_dim);

}  // namespace infe::model
