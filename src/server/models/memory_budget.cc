#include "server/models/memory_budget.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/draft_model.h"
#include "engine/engine.h"
#include "engine/state_plan.h"

namespace infe::server {
namespace {

std::string Mib(uint64_t bytes) {
  constexpr uint64_t kMib = uint64_t{1} << 20;
  return fmt::format("{} MiB", (bytes + kMib - 1) / kMib);
}

uint64_t SequenceBytes(std::span<const model::StateGroup> groups, uint32_t context) {
  return engine::BytesOfSequence(groups, context, engine::EngineOptions().batch_rows_max);
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
           needs.weight_bytes + SequenceBytes(needs.groups, context) > left) {
      context = std::max(engine::kContextUsable, context / 2);
    }
    if (context < config.context &&
        needs.weight_bytes + SequenceBytes(needs.groups, context) <= left)
      out.push_back(fmt::format("a context of {}", context));
  } else if (const uint64_t state = SequenceBytes(needs.groups, engine::kContextUsable);
             left > state) {
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
  const uint64_t sequence = SequenceBytes(needs.groups, context);
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

Result<ModelMemory> PlanDraft(const DraftedModel& model, const model::ModelNeeds& draft,
                              const ServerConfig& config, const MemoryBudget& budget) {
  ModelMemory both = model.memory;
  both.weights += draft.weight_bytes;
  both.steps += draft.step_bytes;
  if (budget.limit == 0) return both;
  const uint64_t taken = kMemoryBesideModels + budget.others + both.weights + both.steps;
  const uint64_t left = budget.limit - std::min(budget.limit, taken);
  both.state = std::min(config.kv_memory_bytes, left);
  const uint32_t context = config.context > 0 ? config.context : model.context;
  const uint64_t kept = std::min(model.memory.state, SequenceBytes(model.groups, context));
  const uint64_t state = engine::DraftModel::StateBytes(draft.groups);
  if (both.state < config.kv_memory_bytes && both.state < kept + state) {
    const uint64_t beside =
        kMemoryBesideModels + budget.others + model.memory.weights + model.memory.steps + kept;
    return ResourceExhausted(fmt::format(
        "it needs {} for weights, {} for the buffers of a step and {} for what it has read; beside "
        "the model and {} for its context memory_limit leaves {}",
        Mib(draft.weight_bytes), Mib(draft.step_bytes), Mib(state), Mib(kept),
        Mib(budget.limit - beside)));
  }
  std::string why = engine::WhyNoDraftState(model.groups, draft.groups,
                                            {.memory_bytes = both.state,
                                             .context_max = config.context,
                                             .model_context = model.context,
                                             .batch_rows = engine::EngineOptions().batch_rows_max});
  if (why.empty()) return both;
  if (both.state < config.kv_memory_bytes)
    why += fmt::format(", of which memory_limit leaves {}", Mib(both.state));
  return ResourceExhausted(std::move(why));
}

}  // namespace infe::server
