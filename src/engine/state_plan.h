// How many blocks each group of state gets out of the memory given. Made once at start; when even
// one sequence of the asked context would not fit, an error states the numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "model/state.h"

namespace infe::engine {

// Below this a chat cannot even hold a system prompt: better an error than a useless server.
inline constexpr uint32_t kContextUsable = 256;

struct StatePlanOptions {
  size_t memory_bytes = 0;
  uint32_t context_max = 0;    // asked for; 0: as much of model_context as the memory holds
  uint32_t model_context = 0;  // what the model was made for
  uint32_t batch_sequences = 1;
  uint32_t batch_rows = 512;  // most rows of one step: a windowed layer needs window + chunk
};

struct StatePlan {
  uint32_t context_max = 0;
  uint32_t blocks[model::kStateGroupsMax] = {};
  size_t bytes = 0;  // sum of blocks * block_bytes, at most memory_bytes
};

// Blocks of `group` that one sequence of `positions` positions can need at once.
uint32_t BlocksOfSequence(const model::StateGroup& group, uint32_t positions, uint32_t batch_rows);

// Of all groups.
size_t BytesOfSequence(std::span<const model::StateGroup> groups, uint32_t positions,
                       uint32_t batch_rows);

// A context asked for by number is never reduced: kResourceExhausted with both numbers instead.
Result<StatePlan> PlanState(std::span<const model::StateGroup> groups,
                            const StatePlanOptions& options);

}  // namespace infe::engine
