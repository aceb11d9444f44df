// What one Forward will do, worked out from the batch before the threads start: which sequence and
// position each row is, how attention is cut into units, and which rows reach the head. Vectors are
// reused from step to step.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/table.h"
#include "model/model.h"
#include "model/state.h"

namespace infe::model {

// One row (token) of the step.
struct StepRow {
  TokenId token = 0;
  uint32_t item = 0;
  uint32_t position = 0;
};

// Consecutive query rows of one item against one KV head. `spans` is 0 if one task computes the
// unit; else each span of positions is a task, and the last to finish merges the partials.
struct AttentionUnit {
  uint32_t item = 0;
  uint32_t row = 0;      // in the step
  uint32_t out_row = 0;  // in the rows that go on after attention
  uint32_t rows = 0;
  uint32_t position = 0;
  uint32_t length = 0;  // of the item, if its rows see both sides; else 0
  uint32_t kv_head = 0;
  uint32_t head = 0;  // first query head
  uint32_t heads = 0;
  uint32_t first_span = 0;
  uint32_t spans = 0;
  size_t partials = 0;  // offset of the first span's partial, in floats
  size_t partial_stride = 0;
};

struct AttentionTask {
  uint32_t unit = 0;
  uint32_t span = 0;  // absolute; meaningful if the unit has spans
  uint64_t cost = 0;  // query rows times keys
};

// The units of attention of one shape over one set of rows.
struct AttentionPlan {
  std::vector<AttentionUnit> units;
  std::vector<AttentionTask> tasks;                     // most expensive first
  std::unique_ptr<std::atomic<uint32_t>[]> unfinished;  // per unit with spans: tasks not done
  size_t unfinished_size = 0;
};

// What attention's units depend on: layers of one shape share a plan.
struct AttentionShape {
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t window = 0;  // 0: global
  bool causal = true;

  bool operator==(const AttentionShape&) const = default;
};

// Positions [begin, end) that some row of the unit sees.
struct SeenPositions {
  uint32_t begin = 0;
  uint32_t end = 0;
};
SeenPositions SeenBy(const AttentionUnit& unit, uint32_t window);

// Those of a model.
struct AttentionShapes {
  std::vector<AttentionShape> shapes;
  size_t partial_floats = 0;  // room that their partial sums have

  // The index of a shape, added if it is new.
  uint32_t IndexOf(const AttentionShape& shape);
};

// How attention is cut, the same for all shapes.
struct AttentionCut {
  uint32_t query_rows_max = 0;  // rows of a unit
  uint32_t threads = 0;
  size_t partial_floats_max = 0;  // room for partials
  size_t (*partial_floats)(uint32_t rows, uint32_t group, uint32_t head_dim) = nullptr;
};

// A row that goes on to the head: a wanted row of logits, or any row of a text to be pooled.
struct LogitsRow {
  uint32_t row = 0;  // in the step
  // The vocabulary rows to compute, ascending; empty: all. Of the batch item, or of `sorted`.
  std::span<const TokenId> tokens;
  float inverse_temperature = -1;  // as in BatchItem
  std::span<const uint64_t> mask;  // empty: all may follow
};

struct StepPlan {
  // Reserves for rows_max rows, so that a step allocates nothing (but for the first ones).
  StepPlan(uint32_t rows_max, uint32_t logits_rows_max, std::vector<AttentionShape> shapes,
           const AttentionCut& cut);

  // Rows, positions and wanted rows of `batch`, and the attention plans of each shape: over all
  // rows, and over the wanted rows only, for the last layer, after which the others are dropped
  // (empty if its mixer is of another kind: last_shape is null).
  void Build(const Batch& batch, std::span<const StateGroup> groups,
             const AttentionShape* last_shape);

  std::vector<StepRow> rows;
  std::vector<LogitsRow> wanted;
  // Of each item: the first of the tiles that it has where keys and values last for a step only.
  std::vector<uint32_t> first_tiles;
  std::vector<std::vector<TokenId>> sorted;  // head_rows of items that came in another order
  std::vector<AttentionPlan> attention;      // of each shape
  AttentionPlan attention_wanted;            // of the last layer; used if some rows are not wanted

 private:
  void AddItem(const BatchItem& item, uint32_t index, const AttentionShape* last_shape);
  // Appends the units of `rows` query rows of an item, starting at step row `unit.row`.
  void AddUnits(AttentionPlan& plan, const AttentionShape& shape, AttentionUnit unit,
                uint32_t rows) const;
  void AddTasks(AttentionPlan& plan, const AttentionShape& shape) const;
  size_t PartialStride(const AttentionShape& shape, uint32_t rows, uint32_t heads) const;
  std::span<const TokenId> SortedHeadRows(const BatchItem& item);

  std::vector<AttentionShape> shapes_;
  AttentionCut cut_;
  uint32_t next_tile_ = 0;
};

}  // namespace infe::model
