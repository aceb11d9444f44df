// What a model is computed by. A part plans once, at load, what it needs: tensors, buffers, at most
// one state, rotations. Then it is const, and computes in phases: every thread of the pool runs
// every phase, and there is a barrier after each (forward.h). So a part is called once per phase
// and thread; within a phase the threads share the work by the lane's cursor, and a phase writes
// only what no other thread reads before the next barrier.
//
// Batch invariance: a row's numbers are computed by kernels whose bits do not depend on the other
// rows, and the cuts made by parts (units, tiles, tasks) never go through a sum.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "model/model.h"
#include "model/model_config.h"
#include "model/phase_times.h"
#include "model/rope_plan.h"
#include "model/scratch.h"
#include "model/state_plan.h"
#include "model/step_plan.h"
#include "model/tensor_plan.h"

namespace infe::model {

// The largest step.
struct StepLimits {
  uint32_t rows_max = 0;
  uint32_t logits_rows_max = 0;
  uint32_t threads = 0;
};

// Buffers of the residual stream (parts/residual.h).
struct ResidualBuffers {
  BufferId x[2];             // [rows][embedding]; the second for families with post-norms
  BufferId wanted[2];        // [logits rows][embedding]: after the unwanted rows are dropped
  BufferId delta;            // [rows][embedding]: what a part put out, before its post-norm
  BufferId normed;           // [rows][embedding], null unless some product reads floats
  BufferId activations;      // rows x embedding
  BufferId own_row;          // of a thread: one normalised row
  BufferId own_normed;       // [kPrivateNormRowsMax][embedding], null as `normed`
  BufferId own_activations;  // kPrivateNormRowsMax x embedding
  BufferId tile_a, tile_b;   // of a thread: outputs of a product on their way
  BufferId rope;             // [rows of the step] of each rotation table
};

// What does not change between steps.
struct ModelContext {
  const ModelConfig& config;
  const kernels::KernelTable& kernels;
  kernels::KvType kv_type = kernels::KvType::kF16;
  std::vector<StateGroup> groups;
  std::vector<PlannedRope> ropes;
  ResidualBuffers residual;
};

// What a part is told, and asks for, at load.
struct PartPlan {
  const ModelConfig& config;
  const kernels::KernelTable& kernels;
  kernels::KvType kv_type;
  const StepLimits& limits;
  uint32_t layer;  // whose part this is; of no meaning to embedding and head
  TensorPlan& tensors;
  ScratchPlan& scratch;
  StatePlan& state;
  RopePlan& ropes;
  AttentionShapes& attention;
  ResidualBuffers residual;
  // Set by a part of which some product reads the normalised stream as floats.
  bool& float_products;

  std::string Name(std::string_view tensor) const;    // "blk.7.attn_q.weight"
  std::string NormName(std::string_view norm) const;  // "blk.7.ffn_norm.weight"
  // The number that ends the layer.
  Result<float> OutputScale();
};

// One step, read by all threads.
struct Step {
  const ModelContext& model;
  const kernels::KernelTable& kernels;
  const StepPlan& plan;
  const Batch& batch;
  const StateView& state;
  const Scratch& scratch;
};

// One thread's place in the step.
struct Lane {
  Worker& worker;
  const Buffers& own;
  uint32_t rows;  // that are still computed
  float* x;       // their residual stream: [rows][embedding]
  float* x_next;  // where a post-norm leaves it; may be x
  // The norm that waits to be applied to `delta` before it is added to x; null: nothing waits.
  const float* post_norm = nullptr;
  float after = 1;                  // what multiplies x then
  kernels::Activations input = {};  // what Normalise made last; of this thread, or shared
  bool only_wanted = false;         // rows are those of the plan's `wanted`, in that order
  WorkCursor* cursor = nullptr;     // of this phase
};

class Part;

struct Phase {
  StepPart time;  // what its time is counted as
  void (*run)(const Part& part, Lane& lane, const Step& step);
  // Of a mixer: from here on rows without a successor in the step are of no use to anybody but the
  // layers above; in the last layer they are dropped before this phase.
  bool drops_rows = false;
};

class Part {
 public:
  virtual ~Part() = default;
  virtual Result<void> Plan(PartPlan& plan) = 0;
  virtual std::vector<Phase> phases() const = 0;
};

// Phase::run of a member function of a part: RunPhase<AttentionPart, &AttentionPart::Project>.
template <typename P, void (P::*kMethod)(Lane&, const Step&) const>
void RunPhase(const Part& part, Lane& lane, const Step& step) {
  (static_cast<const P&>(part).*kMethod)(lane, step);
}

}  // namespace infe::model
