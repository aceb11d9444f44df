#include "server/models/memory_budget.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/engine.h"
#include "engine/state_plan.h"

namespace infe::server {
namespace {

std::string Mib(uint64_t bytes) {
  constexpr uint64_t kMib = uint64_t{1} << 20;
  return fmt::format("{} MiB", (bytes + kMib - 1) / kMib);
}

uint64_t SequenceBytes(const model::ModelNeeds& needs, uint32_t context) {
  return engine::BytesOfSequence(needs.groups, context, engine::EngineOptions().batch_rows_max);
}

// What would help, each by itself.
std::string Remedies(const model::ModelNeeds& needs, const ServerConfig& config,
                     const MemoryBudget& budget, uint64_t needed) {
  std::vector<std::string> out;
  const uint64_t left =
      budget.limit - std::min(budget.limit, kMemoryBesideModels + budget.others + needs.step_bytes);
  if (left > needs.weight_bytes) {
    uint32_t context = config.context;
    while (context > engine::kContextUsable &&
           needs.weight_bytes + SequenceBytes(needs, context) > left) {
      context = std::max(engine::kContextUsable, context / 2);
    }
    if (context < config.context && needs.weight_bytes + SequenceBytes(needs, context) <= left)
      out.push_back(fmt::format("a context of {}", context));
  } else if (const uint64_t state = SequenceBytes(needs, engine::kContextUsable); left > state) {
    out.push_back(fmt::format("a file of the model with weights of up to {}, and a short context",
                              Mib(left - state)));
  }
  if (budget.others > 0) out.push_back("fewer models");
  out.push_back(
      fmt::format("a memory_limit of {}", Mib(kMemoryBesideModels + budget.others + needed)));
  return fmt::format("{}", fmt::join(out, "; or "));
}

}  // namespace

Result<ModelMemory> PlanMemory(const model::ModelNeeds& needs, const ServerConfig& config,
                               const MemoryBudget& budget) {
  ModelMemory memory{.weights = needs.weight_bytes,
                     .steps = needs.step_bytes,
                     .state = needs.groups.empty() ? 0 : config.kv_memory_bytes};
  if (budget.limit == 0) return memory;
  const uint32_t context = config.context > 0 ? config.context : engine::kContextUsable;
  const uint64_t sequence = SequenceBytes(needs, context);
  const uint64_t needed = memory.weights + memory.steps + sequence;
  const uint64_t taken = kMemoryBesideModels + budget.others;
  if (taken + needed > budget.limit) {
    std::string others;
    if (budget.others > 0) others = fmt::format(" and {} for other models", Mib(budget.others));
    return ResourceExhausted(fmt::format(
        "it needs {} for weights, {} for the buffers of a step and {} for a sequence of {} tokens; "
        "with {} for the program{} that is {}, and memory_limit is {}. What would fit: {}",
        Mib(memory.weights), Mib(memory.steps), Mib(sequence), context, Mib(kMemoryBesideModels),
        others, Mib(taken + needed), Mib(budget.limit), Remedies(needs, config, budget, needed)));
  }
  memory.state = std::min(memory.state, budget.limit - taken - memory.weights - memory.steps);
  return memory;
}

}  // namespace infe::server
