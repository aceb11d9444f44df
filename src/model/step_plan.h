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
#include "model/kv_view.h"
#include "model/model.h"

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

// The units of one KV group (one window) over one set of rows.
struct AttentionPlan {
  std::vector<AttentionUnit> units;
  std::vector<AttentionTask> tasks;                     // most expensive first
  std::unique_ptr<std::atomic<uint32_t>[]> unfinished;  // per unit with spans: tasks not done
  size_t unfinished_size = 0;
};

struct AttentionShape {
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t query_rows_max = 0;  // rows of a unit
  uint32_t threads = 0;
  size_t partial_floats_max = 0;  // room for partials
  size_t (*partial_floats)(uint32_t rows, uint32_t group, uint32_t head_dim) = nullptr;
  uint32_t head_dim = 0;
};

// A wanted row of logits.
struct LogitsRow {
  uint32_t row = 0;  // in the step
  // The vocabulary rows to compute, ascending; empty: all. Of the batch item, or of `sorted`.
  std::span<const TokenId> tokens;
  float inverse_temperature = -1;  // as in BatchItem
  std::span<const uint64_t> mask;  // empty: all may follow
};

struct StepPlan {
  // Reserves for rows_max rows, so that a step allocates nothing (but for the first ones).
  StepPlan(uint32_t rows_max, uint32_t logits_rows_max);

  // Rows, positions and wanted rows of `batch`, and the attention plans of each group: over all
  // rows, and over the wanted rows only (for the last layer, after which the others are dropped).
  void Build(const Batch& batch, std::span<const KvGroup> groups, uint32_t last_group,
             const AttentionShape& shape);

  std::vector<StepRow> rows;
  std::vector<LogitsRow> wanted;
  std::vector<std::vector<TokenId>> sorted;  // head_rows of items that came in another order
  AttentionPlan attention[kKvGroupsMax];
  AttentionPlan attention_wanted;  // of the last layer's group; used if some rows are not wanted

 private:
  std::span<const TokenId> SortedHeadRows(const BatchItem& item);
};

}  // namespace infe::model
