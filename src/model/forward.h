// One step over all layers. Each layer is five phases with a barrier after each:
//   1 RMSNorm + quantise, Q/K/V, then bias, head norms, RoPE and the KV write
//   2 attention, then quantise
//   3 output projection, then the residual
//   4 RMSNorm + quantise, gate and up, then the activation and quantise
//   5 down projection, then the residual
// What follows a comma is done by the thread that produced the values, on what is still in its
// cache. Every thread of the pool runs Run(); they share nothing but the buffers of Scratch, and a
// phase writes only what no other thread reads before the next barrier.
//
// Batch invariance: a row's numbers are computed by kernels whose bits do not depend on the other
// rows, and the cuts made here (units, tiles, tasks) never go through a sum.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/table.h"
#include "model/model.h"
#include "model/phase_times.h"
#include "model/rope_table.h"
#include "model/scratch.h"
#include "model/step_plan.h"
#include "model/weights.h"

namespace infe::model {

// What does not change between steps.
struct ForwardContext {
  const ModelConfig& config;
  const Weights& weights;
  const kernels::KernelTable& kernels;
  kernels::KvType kv_type;
  std::span<const KvGroup> groups;
  std::vector<uint32_t> group_of_layer;
  std::vector<uint32_t> index_in_group;  // of the layer
  std::vector<RopeTable> ropes;
  std::vector<uint32_t> rope_of_layer;
  size_t kv_tile_bytes = 0;
};

// The cursors of a layer's phases. A phase resets the cursor of a phase that all threads have left
// and none can have entered: the one before it.
enum class Phase : uint8_t { kQkv, kAttention, kOutput, kGateUp, kDown, kHead };
inline constexpr size_t kPhases = 6;

class Forward {
 public:
  Forward(const ForwardContext& context, Scratch& scratch, StepPlan& plan, const Batch& batch,
          const KvView& kv, std::span<WorkCursor, kPhases> cursors, PhaseTimes* times)
      : context_(context),
        config_(context.config),
        kernels_(context.kernels),
        scratch_(scratch),
        plan_(plan),
        batch_(batch),
        kv_(kv),
        cursors_(cursors),
        times_(times) {}

  // The body of the pool's run.
  void Run(Worker& worker) const;

 private:
  // One thread's place in the step: which rows are alive and which buffer holds them.
  struct Lane {
    Worker& worker;
    ThreadScratch& own;
    uint32_t rows;  // rows that are still computed
    float* x;       // their residual stream: [rows][embedding]
    float* x_next;  // where a post-norm phase leaves it; may be x
  };

  void Embed(Lane& lane) const;
  // Adds the post-normed delta (if post_norm is not null) to x, then normalises and quantises: by
  // every thread for itself if rows are few, else shared with one more barrier.
  kernels::Activations Normalise(Lane& lane, const float* post_norm, const float* weight) const;
  void NormaliseRow(Lane& lane, uint32_t row, const float* post_norm, const float* weight,
                    bool keep_x, const kernels::Activations& out, float* normed) const;

  void Qkv(Lane& lane, uint32_t layer, const kernels::Activations& input) const;
  void QueryUnit(Lane& lane, uint32_t layer, const kernels::Activations& input, uint32_t head,
                 uint32_t heads) const;
  void KeyValueUnit(Lane& lane, uint32_t layer, const kernels::Activations& input, uint32_t head,
                    uint32_t heads) const;
  void FinishHead(float* head, uint32_t layer, uint32_t row, const float* bias,
                  const float* norm) const;

  void DropUnwantedRows(Lane& lane) const;
  void Attention(Lane& lane, uint32_t layer, AttentionPlan& plan) const;
  void AttentionTaskRun(Lane& lane, uint32_t layer, AttentionPlan& plan,
                        const AttentionTask& task) const;
  void QuantiseAttended(Lane& lane) const;

  // x += matrix * input, or delta = matrix * input for families with post-norms.
  void Project(Lane& lane, Phase phase, const kernels::PackedMatrix& matrix,
               const kernels::Activations& input) const;
  void GateUp(Lane& lane, uint32_t layer, const kernels::Activations& input) const;
  void Head(Lane& lane, const kernels::Activations& input) const;
  void HeadRows(const kernels::Activations& input, uint32_t stripe_begin, uint32_t stripe_end,
                float* tile) const;
  void SummariseRows(uint32_t begin, uint32_t end, float* span) const;

  // Deals units [0, n) out to whoever is free, in runs that become shorter towards the end.
  template <typename Body>
  void Share(Lane& lane, Phase phase, uint32_t n, const Body& body) const;
  // Deals stripes out and cuts them into products whose output fits a tile:
  // body(stripe_begin, stripe_end, row_begin, row_end).
  template <typename Body>
  void ForTiles(Lane& lane, Phase phase, uint32_t stripes, uint32_t inputs, const Body& body) const;

  kernels::Activations AttendedActivations(uint32_t rows) const;
  kernels::Activations HiddenActivations(uint32_t rows) const;
  WorkCursor& Cursor(Phase phase) const { return cursors_[static_cast<size_t>(phase)]; }
  std::byte* Tile(uint32_t layer, uint32_t kv_head, uint32_t item, uint32_t position) const;

  const ForwardContext& context_;
  const ModelConfig& config_;
  const kernels::KernelTable& kernels_;
  Scratch& scratch_;
  StepPlan& plan_;
  const Batch& batch_;
  const KvView& kv_;
  std::span<WorkCursor, kPhases> cursors_;
  PhaseTimes* times_;  // null: nobody asks
};

// Query heads (or KV heads) of one unit of phase 1: as few as end on a stripe.
uint32_t HeadsPerUnit(uint32_t heads, uint32_t head_dim);

}  // namespace infe::model
