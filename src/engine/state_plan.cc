#include "engine/state_plan.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe::engine {
namespace {

using model::kBlockPositions;
using model::StateGroup;
using model::StateKind;

// What a step reads and what it writes.
constexpr uint32_t kRunningPerSequence = model::kRunningTo + 1;
// Snapshots stand at prompt ends and every kSnapshotBlocks: a conversation of some hundred tokens
// has two or three.
constexpr uint64_t kBlocksPerSnapshot = 8;

uint32_t Blocks(uint64_t positions) {
  return static_cast<uint32_t>((positions + kBlockPositions - 1) / kBlockPositions);
}

bool Has(std::span<const StateGroup> groups, StateKind kind) {
  return std::ranges::any_of(groups, [&](const StateGroup& group) { return group.kind == kind; });
}

// A windowed group needs what the running sequences need, and as much again of the cache as half of
// the global one: window blocks matter only at the ends of cached prefixes.
uint64_t WindowBlocks(const StateGroup& group, uint64_t global, const StatePlanOptions& options,
                      uint32_t context) {
  const uint64_t one = BlocksOfSequence(group, context, options.batch_rows);
  const uint64_t decoding = Blocks(group.window) + 2;
  const uint64_t running = one + decoding * (options.batch_sequences - 1);
  return std::min(global, std::max(running, global / 2));
}

// Of one snapshot of all running states.
size_t RunningBytes(std::span<const StateGroup> groups) {
  size_t bytes = 0;
  for (const StateGroup& group : groups)
    bytes += group.kind == StateKind::kRunning ? group.block_bytes : 0;
  return bytes;
}

// A running state needs two blocks for each sequence, and a snapshot for so many blocks of cached
// prefixes. Large states leave the rest half of the memory, or what one sequence needs of it, and
// fewer sequences run together.
uint64_t RunningBlocks(std::span<const StateGroup> groups, uint64_t global,
                       const StatePlanOptions& options, uint32_t context) {
  size_t rest = 0;  // of one sequence
  for (const StateGroup& group : groups) {
    if (group.kind == StateKind::kRunning) continue;
    rest += size_t{BlocksOfSequence(group, context, options.batch_rows)} * group.block_bytes;
  }
  rest = std::min(options.memory_bytes, std::max(rest, options.memory_bytes / 2));
  const uint64_t wanted =
      uint64_t{kRunningPerSequence} * options.batch_sequences + global / kBlocksPerSnapshot;
  return std::max<uint64_t>(kRunningPerSequence,
                            std::min(wanted, (options.memory_bytes - rest) / RunningBytes(groups)));
}

// Blocks per group if the arena is to hold `positions` positions of global layers; if there are
// none, of those that grow with the text, or else so many blocks of 32.
void BlocksAt(std::span<const StateGroup> groups, uint64_t positions,
              const StatePlanOptions& options, uint32_t context,
              uint32_t (&blocks)[model::kStateGroupsMax]) {
  const uint64_t global = Blocks(positions);
  for (size_t g = 0; g < groups.size(); ++g) {
    uint64_t count = global;
    switch (groups[g].kind) {
      case StateKind::kPositions:
        break;
      case StateKind::kWindow:
        if (Has(groups, StateKind::kPositions))
          count = WindowBlocks(groups[g], global, options, context);
        break;
      case StateKind::kRunning:
        if (Has(groups, StateKind::kPositions) || Has(groups, StateKind::kWindow))
          count = RunningBlocks(groups, global, options, context);
        break;
    }
    blocks[g] = static_cast<uint32_t>(count);
  }
}

size_t Bytes(std::span<const StateGroup> groups, const uint32_t (&blocks)[model::kStateGroupsMax]) {
  size_t bytes = 0;
  for (size_t g = 0; g < groups.size(); ++g) bytes += size_t{blocks[g]} * groups[g].block_bytes;
  return bytes;
}

// What one sequence leaves of the memory goes to running states: short texts share the rest.
void AddRunning(std::span<const StateGroup> groups, const StatePlanOptions& options,
                StatePlan& plan) {
  const size_t bytes = RunningBytes(groups);
  if (bytes == 0) return;
  const size_t more = std::min<size_t>((options.memory_bytes - Bytes(groups, plan.blocks)) / bytes,
                                       size_t{kRunningPerSequence} * options.batch_sequences);
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].kind == StateKind::kRunning) plan.blocks[g] += static_cast<uint32_t>(more);
  }
}

}  // namespace

uint32_t BlocksOfSequence(const StateGroup& group, uint32_t positions, uint32_t batch_rows) {
  const uint32_t all = Blocks(positions);
  switch (group.kind) {
    case StateKind::kPositions:
      return all;
    case StateKind::kWindow:
      // The window before a chunk, the chunk, and one more because neither starts on a border.
      return std::min(all, Blocks(uint64_t{group.window} + batch_rows) + 1);
    case StateKind::kRunning:
      return kRunningPerSequence;
  }
  __builtin_unreachable();
}

size_t BytesOfSequence(std::span<const StateGroup> groups, uint32_t positions,
                       uint32_t batch_rows) {
  size_t bytes = 0;
  for (const StateGroup& group : groups) {
    bytes += size_t{BlocksOfSequence(group, positions, batch_rows)} * group.block_bytes;
  }
  return bytes;
}

Result<StatePlan> PlanState(std::span<const StateGroup> groups, const StatePlanOptions& options) {
  StatePlan plan;
  plan.context_max = options.context_max > 0 ? options.context_max : options.model_context;
  if (options.context_max == 0) {
    while (plan.context_max > kContextUsable &&
           BytesOfSequence(groups, plan.context_max, options.batch_rows) > options.memory_bytes) {
      plan.context_max =
          plan.context_max > 2 * kContextUsable ? plan.context_max / 2 : kContextUsable;
    }
  }
  const size_t needed = BytesOfSequence(groups, plan.context_max, options.batch_rows);
  if (needed > options.memory_bytes) {
    return ResourceExhausted(fmt::format(
        "one sequence of {} tokens needs {} bytes of KV memory and {} are given: raise the KV "
        "memory or lower the context",
        plan.context_max, needed, options.memory_bytes));
  }
  // The largest number of positions whose blocks fit. Monotone in positions, so bisect.
  uint64_t low = 1;
  uint64_t high = uint64_t{1} << 36;
  while (low < high) {
    const uint64_t middle = low + (high - low + 1) / 2;
    BlocksAt(groups, middle * kBlockPositions, options, plan.context_max, plan.blocks);
    if (Bytes(groups, plan.blocks) <= options.memory_bytes) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  BlocksAt(groups, low * kBlockPositions, options, plan.context_max, plan.blocks);
  // With little memory the windowed share for a whole batch would not leave one global context.
  for (size_t g = 0; g < groups.size(); ++g) {
    const uint32_t one = BlocksOfSequence(groups[g], plan.context_max, options.batch_rows);
    if (plan.blocks[g] >= one) continue;
    for (size_t h = 0; h < groups.size(); ++h) {
      plan.blocks[h] = BlocksOfSequence(groups[h], plan.context_max, options.batch_rows);
    }
    AddRunning(groups, options, plan);
    break;
  }
  plan.bytes = Bytes(groups, plan.blocks);
  return plan;
}

}  // namespace infe::engine
