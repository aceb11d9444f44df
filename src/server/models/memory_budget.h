// memory_limit: whether a model fits into what the other models leave of it, and how much of that
// its sequences may have. Decided from the file's header, before anything is loaded.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "model/model.h"
#include "server/config/config.h"

namespace infe::server {

struct MemoryBudget {
  uint64_t limit = 0;   // of all models together; 0: none
  uint64_t others = 0;  // of it, what other models take, and all weights that are in memory
};

// What one model takes, with the model that drafts for it.
struct ModelMemory {
  uint64_t weights = 0;  // without those that were in memory before
  uint64_t steps = 0;
  uint64_t state = 0;  // keys and values, running states

  uint64_t all() const { return weights + steps + state; }
  // That ends with the model. Weights end with the last one that uses them.
  uint64_t own() const { return steps + state; }
};

// Connections, bodies, vocabularies, compiled grammars and the program itself: left out of what
// models share.
inline constexpr uint64_t kMemoryBesideModels = uint64_t{96} << 20;

// State takes kv_memory, or what is left if that is less. kResourceExhausted where one sequence of
// the configured context (0: of the shortest that is served) would not fit: it says what is needed,
// and what would fit.
Result<ModelMemory> PlanMemory(const model::ModelNeeds& needs, const ServerConfig& config,
                               const MemoryBudget& budget);

// A model, loaded, for which another one could draft.
struct DraftedModel {
  ModelMemory memory;  // as PlanMemory gave it
  std::span<const model::StateGroup> groups;
  uint32_t context = 0;  // the model's own
};

// Of both together. A draft model is optional and gets what the limit leaves beside the model and
// one sequence of its whole context (the configured one, if there is one; what the model has for
// it, if that is less): it costs neither its place nor context. kResourceExhausted, in words, where
// that is too little. Its state comes out of the model's, as without a limit.
Result<ModelMemory> PlanDraft(const DraftedModel& model, const model::ModelNeeds& draft,
                              const ServerConfig& config, const MemoryBudget& budget);

}  // namespace infe::server
