#include "engine/kv_plan.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe::engine {
namespace {

using model::kBlockPositions;
using model::KvGroup;

// Below this a chat cannot even hold a system prompt: better an error than a useless server.
constexpr uint32_t kContextUsable = 256;

uint32_t Blocks(uint64_t positions) {
  return static_cast<uint32_t>((positions + kBlockPositions - 1) / kBlockPositions);
}

size_t BytesOfSequence(std::span<const KvGroup> groups, uint32_t positions, uint32_t batch_rows) {
  size_t bytes = 0;
  for (const KvGroup& group : groups) {
    bytes += size_t{BlocksOfSequence(group, positions, batch_rows)} * group.block_bytes;
  }
  return bytes;
}

// Blocks per group if the arena is to hold `positions` positions of global layers. A windowed group
// needs what the running sequences need, and as much again of the cache as half of the global one:
// window blocks matter only at the ends of cached prefixes.
void BlocksAt(std::span<const KvGroup> groups, uint64_t positions, const KvPlanOptions& options,
              uint32_t context, uint32_t (&blocks)[model::kKvGroupsMax]) {
  const bool all_windowed =
      std::all_of(groups.begin(), groups.end(), [](const KvGroup& g) { return g.window > 0; });
  const uint32_t global = Blocks(positions);
  for (size_t g = 0; g < groups.size(); ++g) {
    blocks[g] = global;
    if (groups[g].window == 0 || all_windowed) continue;
    const uint64_t one = BlocksOfSequence(groups[g], context, options.batch_rows);
    const uint64_t decoding = Blocks(groups[g].window) + 2;
    const uint64_t running = one + decoding * (options.batch_sequences - 1);
    blocks[g] =
        static_cast<uint32_t>(std::min<uint64_t>(global, std::max<uint64_t>(running, global / 2)));
  }
}

size_t Bytes(std::span<const KvGroup> groups, const uint32_t (&blocks)[model::kKvGroupsMax]) {
  size_t bytes = 0;
  for (size_t g = 0; g < groups.size(); ++g) bytes += size_t{blocks[g]} * groups[g].block_bytes;
  return bytes;
}

}  // namespace

uint32_t BlocksOfSequence(const KvGroup& group, uint32_t positions, uint32_t batch_rows) {
  const uint32_t all = Blocks(positions);
  if (group.window == 0) return all;
  // The window before a chunk, the chunk, and one more because neither starts on a block's border.
  return std::min(all, Blocks(uint64_t{group.window} + batch_rows) + 1);
}

Result<KvPlan> PlanKv(std::span<const KvGroup> groups, const KvPlanOptions& options) {
  KvPlan plan;
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
    break;
  }
  plan.bytes = Bytes(groups, plan.blocks);
  return plan;
}

}  // namespace infe::engine
