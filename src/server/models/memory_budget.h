// memory_limit: whether a model fits into what the other models leave of it, and how much of that
// its sequences may have. Decided from the file's header, before anything is loaded.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "model/model.h"
#include "server/config/config.h"

namespace infe::server {

struct MemoryBudget {
  uint64_t limit = 0;   // of all models together; 0: none
  uint64_t others = 0;  // of it, what other models take
};

// What one model takes.
struct ModelMemory {
  uint64_t weights = 0;
  uint64_t steps = 0;
  uint64_t state = 0;  // keys and values, running states

  uint64_t all() const { return weights + steps + state; }
};

// Connections, bodies, vocabularies, compiled grammars and the program itself: left out of what
// models share.
inline constexpr uint64_t kMemoryBesideModels = uint64_t{96} << 20;

// State takes kv_memory, or what is left if that is less. kResourceExhausted where one sequence of
// the configured context (0: of the shortest that is served) would not fit: it says what is needed,
// and what would fit.
Result<ModelMemory> PlanMemory(const model::ModelNeeds& needs, const ServerConfig& config,
                               const MemoryBudget& budget);

}  // namespace infe::server
