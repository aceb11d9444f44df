#include "model/step_plan.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace infe::model {
namespace {

using kernels::kAttentionSpan;

// A unit is cut into spans when there are fewer units than this per thread: whole units would
// leave threads waiting for the longest.
constexpr uint32_t kUnitsPerThreadMin = 4;

// Every kind of state has its table, and the table covers the item.
void CheckBlocks(const BatchItem& item, std::span<const StateGroup> groups) {
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].kind == StateKind::kRunning) {
      INFE_CHECK(item.blocks[g].size() == 2);
      const uint32_t from = item.blocks[g][kRunningFrom];
      INFE_CHECK((from == kNoBlock) == (item.position == 0));
      INFE_CHECK(item.blocks[g][kRunningTo] != kNoBlock && item.blocks[g][kRunningTo] != from);
    } else {
      INFE_CHECK(item.blocks[g].size() * kBlockPositions >=
                 size_t{item.position} + item.tokens.size());
    }
  }
}

}  // namespace

SeenPositions SeenBy(const AttentionUnit& unit, uint32_t window) {
  const uint32_t last = unit.position + unit.rows - 1;
  if (unit.length == 0) {
    const bool all = window == 0 || unit.position + 1 <= window;
    return {all ? 0 : unit.position + 1 - window, last + 1};
  }
  if (window == 0) return {0, unit.length};
  const uint32_t side = window / 2;
  return {unit.position > side ? unit.position - side : 0, std::min(unit.length, last + side + 1)};
}

// Partials begin on cache lines.
size_t StepPlan::PartialStride(const AttentionShape& shape, uint32_t rows, uint32_t heads) const {
  return (cut_.partial_floats(rows, heads, shape.head_dim) + 15) / 16 * 16;
}

void StepPlan::AddUnits(AttentionPlan& plan, const AttentionShape& shape, AttentionUnit unit,
                        uint32_t rows) const {
  const uint32_t group = shape.heads / shape.kv_heads;
  for (uint32_t done = 0; done < rows; done += unit.rows) {
    unit.rows = std::min(rows - done, cut_.query_rows_max);
    for (uint32_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      unit.kv_head = kv_head;
      unit.head = kv_head * group;
      unit.heads = group;
      plan.units.push_back(unit);
    }
    unit.row += unit.rows;
    unit.out_row += unit.rows;
    unit.position += unit.rows;
  }
}

void StepPlan::AddTasks(AttentionPlan& plan, const AttentionShape& shape) const {
  // Atomics do not move: a plan that grows takes a new array.
  if (plan.units.size() > plan.unfinished_size) {
    plan.unfinished_size = plan.units.size() * 2;
    plan.unfinished = std::make_unique<std::atomic<uint32_t>[]>(plan.unfinished_size);
  }
  const bool few = plan.units.size() < size_t{cut_.threads} * kUnitsPerThreadMin;
  size_t partials = 0;
  for (uint32_t u = 0; u < plan.units.size(); ++u) {
    AttentionUnit& unit = plan.units[u];
    const auto [lowest, end] = SeenBy(unit, shape.window);
    const uint32_t first_span = lowest / kAttentionSpan;
    const uint32_t spans = (end + kAttentionSpan - 1) / kAttentionSpan - first_span;
    const size_t floats =
        few && spans > 1 ? PartialStride(shape, unit.rows, unit.heads) * spans : 0;
    if (floats == 0 || partials + floats > cut_.partial_floats_max) {
      plan.tasks.push_back({u, 0, uint64_t{unit.rows} * unit.heads * (end - lowest)});
      continue;
    }
    unit.first_span = first_span;
    unit.spans = spans;
    unit.partials = partials;
    unit.partial_stride = PartialStride(shape, unit.rows, unit.heads);
    partials += floats;
    plan.unfinished[u].store(spans, std::memory_order_relaxed);
    for (uint32_t s = first_span; s < first_span + spans; ++s) {
      const uint32_t from = std::max(lowest, s * kAttentionSpan);
      const uint32_t to = std::min(end, (s + 1) * kAttentionSpan);
      plan.tasks.push_back({u, s, uint64_t{unit.rows} * unit.heads * (to - from)});
    }
  }
  std::stable_sort(plan.tasks.begin(), plan.tasks.end(),
                   [](const AttentionTask& a, const AttentionTask& b) { return a.cost > b.cost; });
}

uint32_t AttentionShapes::IndexOf(const AttentionShape& shape) {
  const auto found = std::find(shapes.begin(), shapes.end(), shape);
  const uint32_t index = static_cast<uint32_t>(found - shapes.begin());
  if (found == shapes.end()) shapes.push_back(shape);
  return index;
}

StepPlan::StepPlan(uint32_t rows_max, uint32_t logits_rows_max, std::vector<AttentionShape> shapes,
                   const AttentionCut& cut)
    : attention(shapes.size()), shapes_(std::move(shapes)), cut_(cut) {
  rows.reserve(rows_max);
  wanted.reserve(logits_rows_max);
}

std::span<const TokenId> StepPlan::SortedHeadRows(const BatchItem& item) {
  const auto rows_of_head = item.head_rows;
  if (item.logits_rows == 0 || std::is_sorted(rows_of_head.begin(), rows_of_head.end())) {
    return rows_of_head;
  }
  std::vector<TokenId>& copy = sorted.emplace_back(rows_of_head.begin(), rows_of_head.end());
  std::sort(copy.begin(), copy.end());
  return copy;  // spans stay: moving a vector does not move its elements
}

void StepPlan::AddItem(const BatchItem& item, uint32_t index, const AttentionShape* last_shape) {
  const uint32_t tokens = static_cast<uint32_t>(item.tokens.size());
  INFE_CHECK(tokens > 0 && item.logits_rows <= tokens);
  // Pooling reads every row of a text.
  const uint32_t going_on = item.output == Output::kPooled ? tokens : item.logits_rows;
  const uint32_t row = static_cast<uint32_t>(rows.size());
  first_tiles.push_back(next_tile_);
  next_tile_ += (tokens + kBlockPositions - 1) / kBlockPositions;
  for (uint32_t t = 0; t < tokens; ++t) {
    rows.push_back({item.tokens[t], index, item.position + t});
  }
  AttentionUnit unit;
  unit.item = index;
  unit.row = row;
  unit.out_row = row;
  unit.position = item.position;
  for (size_t s = 0; s < shapes_.size(); ++s) {
    INFE_CHECK(shapes_[s].causal || item.output == Output::kPooled);
    unit.length = shapes_[s].causal ? 0 : tokens;
    AddUnits(attention[s], shapes_[s], unit, tokens);
  }
  const uint32_t skipped = tokens - going_on;
  if (last_shape != nullptr) {
    unit.row += skipped;
    unit.position += skipped;
    unit.out_row = static_cast<uint32_t>(wanted.size());
    unit.length = last_shape->causal ? 0 : tokens;
    AddUnits(attention_wanted, *last_shape, unit, going_on);
  }
  const std::span<const TokenId> chosen = SortedHeadRows(item);
  INFE_CHECK(item.masks.empty() || item.masks.size() == going_on);
  for (uint32_t t = skipped; t < tokens; ++t) {
    wanted.push_back(
        {.row = row + t,
         .tokens = chosen,
         .inverse_temperature = chosen.empty() ? item.inverse_temperature : -1,
         .mask = item.masks.empty() ? std::span<const uint64_t>{} : item.masks[t - skipped]});
  }
}

void StepPlan::Build(const Batch& batch, std::span<const StateGroup> groups,
                     const AttentionShape* last_shape) {
  rows.clear();
  wanted.clear();
  sorted.clear();
  first_tiles.clear();
  next_tile_ = 0;
  for (AttentionPlan& plan : attention) {
    plan.units.clear();
    plan.tasks.clear();
  }
  attention_wanted.units.clear();
  attention_wanted.tasks.clear();
  for (uint32_t i = 0; i < batch.items.size(); ++i) {
    CheckBlocks(batch.items[i], groups);
    AddItem(batch.items[i], i, last_shape);
  }
  for (size_t s = 0; s < shapes_.size(); ++s) AddTasks(attention[s], shapes_[s]);
  if (last_shape != nullptr) AddTasks(attention_wanted, *last_shape);
}

}  // namespace infe::model
