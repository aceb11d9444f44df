#include "server/models/load_model.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "answer/embedding.h"
#include "answer/local_model.h"
#include "engine/loader.h"
#include "server/models/read_gguf.h"

namespace infe::server {
namespace {

Result<std::string> ReadTemplate(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return NotFound(fmt::format("chat_template: cannot read {}", path));
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.empty()) return InvalidArgument(fmt::format("chat_template: {} is empty", path));
  return text;
}

struct Loaded {
  engine::LoadedModel model;
  ModelMemory memory;  // nothing without a limit
};

// Loads it, once it is known to fit.
Result<Loaded> LoadFile(store::ModelFile file, const ServerConfig& config,
                        const std::string& data_dir, ThreadPool& pool,
                        const kernels::KernelTable& kernels,
                        const std::function<void(double)>& on_progress,
                        const MemoryBudget& budget) {
  engine::LoadOptions load;
  load.on_progress = on_progress;
  load.kv_type = config.kv_type;
  load.batch_sequences_max = config.max_batch;
  if (config.packed_cache) load.packed_cache = {data_dir + "/packed", file.sha256};
  INFE_ASSIGN(const model::GgufFile gguf, ReadGguf(std::move(file)));
  Loaded loaded;
  if (budget.limit > 0) {
    INFE_ASSIGN(const model::ModelNeeds needs, engine::NeedsOf(gguf, pool.size(), kernels, load));
    INFE_ASSIGN(loaded.memory, PlanMemory(needs, config, budget));
  }
  INFE_ASSIGN(loaded.model, engine::LoadModel(gguf, pool, kernels, load));
  if (!config.chat_template.empty()) {
    INFE_ASSIGN(loaded.model.chat_template, ReadTemplate(config.chat_template));
  }
  return loaded;
}

// Where memory leaves less than was asked for, or than the model was made for, somebody is told.
void TellOfContext(const answer::LocalModel& model, uint32_t wanted, const ServerConfig& config,
                   const ModelMemory& memory, const std::function<void(const std::string&)>& say) {
  if (!say) return;
  const uint32_t context = model.facts().context_max;
  const bool limited = memory.state > 0 && memory.state < config.kv_memory_bytes;
  if (limited) {
    say(fmt::format("{}: memory_limit of {} leaves {} MiB of kv_memory's {}", model.facts().name,
                    FormatBytes(config.memory_limit_bytes), memory.state >> 20,
                    FormatBytes(config.kv_memory_bytes)));
  }
  if (context >= wanted) return;
  const std::string why =
      limited ? "the rest of memory_limit"
              : fmt::format("kv_memory is {}, which", FormatBytes(config.kv_memory_bytes));
  say(fmt::format("{}: a context of {} tokens instead of {}: {} holds no more", model.facts().name,
                  context, wanted, why));
}

// What memory cannot hold is said of the model: of several, which one.
Error Named(Error error, const std::string& name) {
  if (error.code == ErrorCode::kResourceExhausted)
    error.message = fmt::format("{}: {}", name, error.message);
  return error;
}

engine::EngineOptions EngineOptionsOf(const ServerConfig& config) {
  engine::EngineOptions options;
  options.kv_memory_bytes = config.kv_memory_bytes;
  options.batch_sequences_max = config.max_batch;
  options.context_max = config.context;
  const uint32_t queue =
      config.queue_requests != 0 ? config.queue_requests : 4 * config.max_batch + 64;
  // The gate bounds what runs and waits together; in the engine's eyes all of it may be waiting for
  // a moment, when a batch arrives at once.
  options.queue_requests_max = config.max_batch + queue;
  options.queue_prompt_tokens_max = config.queue_tokens;
  options.step_budget_ms = config.step_budget_ms;
  options.prefix_cache = config.prefix_cache;
  options.speculation = config.speculation;
  options.logits_rows_max = engine::LogitsRowsMax(config.max_batch);
  return options;
}

// Texts keep nothing between steps, so that a step may hold as many as there are rows for results.
// A step is short: streams of other models share the machine, and wait for it.
constexpr uint32_t kEmbeddingBatch = 64;
constexpr double kEmbeddingStepMs = 15;

void ForEmbeddings(engine::EngineOptions& options, const engine::LoadedModel& loaded) {
  options.batch_rows_max = loaded.batch_rows_max;
  if (loaded.model->Gives(engine::Output::kPooled)) {
    const uint32_t own = loaded.model->config().context_length;
    options.context_max =
        std::min(options.context_max == 0 ? own : options.context_max, loaded.batch_rows_max);
  }
  options.batch_sequences_max = kEmbeddingBatch;
  options.step_budget_ms = options.idle_step_budget_ms =
      std::min(options.step_budget_ms, kEmbeddingStepMs);
  // The gate counts requests; each has this many texts in the engine.
  options.queue_requests_max *= answer::kTextsAtOnce;
}

}  // namespace

Result<std::shared_ptr<ServedModel>> LoadServedModel(
    const store::InstalledModel& installed, store::ModelFile file, const ServerConfig& config,
    const std::string& data_dir, ThreadPool& pool, const kernels::KernelTable& kernels,
    const LoadWatch& watch, const MemoryBudget& budget) {
  const auto& say = watch.say;
  const auto start = std::chrono::steady_clock::now();
  const std::string digest = file.sha256;
  ServedModel::Origin origin{.installed = installed, .file_sha256 = digest};
  // A model that is served by its path has no size of the registry.
  origin.installed.size_bytes = file.state.bytes;
  answer::LocalModelOptions options;
  options.name = installed.name;
  options.aliases = installed.aliases;
  // The file's own time: the same after every restart.
  options.created = file.state.modified_ns / 1'000'000'000;
  options.file_sha256 = digest;
  options.kv_type = Name(config.kv_type);
  options.isa = std::string(kernels::Name(kernels.isa));
  auto read = LoadFile(std::move(file), config, data_dir, pool, kernels, watch.on_progress, budget);
  if (!read) return Named(std::move(read).error(), installed.name);
  engine::LoadedModel loaded = std::move(read->model);
  const ModelMemory memory = origin.memory = read->memory;
  if (config.sampling_defaults == SamplingDefaults::kModel)
    options.sampling_defaults = installed.defaults.Over(loaded.sampling);
  options.embedding_use = installed.embedding;
  options.engine = EngineOptionsOf(config);
  if (memory.state > 0) options.engine.kv_memory_bytes = memory.state;
  const QueueGate::Limits limits{options.engine.queue_requests_max,
                                 options.engine.queue_prompt_tokens_max};
  const bool embeds = loaded.model->hidden_size() > 0;
  if (embeds) ForEmbeddings(options.engine, loaded);
  if (config.prefix_cache_disk_bytes > 0 && !embeds) {
    options.engine.prefix_file = {.path = fmt::format("{}/prefix/{}.kv", data_dir, installed.name),
                                  .bytes_max = config.prefix_cache_disk_bytes,
                                  .model_digest = digest,
                                  .kv_type = options.kv_type,
                                  .isa = options.isa};
    options.engine.notice = [name = installed.name, say](const std::string& line) {
      if (say) say(fmt::format("{}: {}", name, line));
    };
  }
  const uint32_t own = loaded.model->config().context_length;
  const uint32_t wanted = config.context == 0 ? own : std::min(config.context, own);
  INFE_ASSIGN(std::shared_ptr<answer::LocalModel> model,
              answer::LocalModel::Start(std::move(loaded), std::move(options)));
  TellOfContext(*model, wanted, config, memory, say);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  origin.load_seconds = took.count();
  return std::make_shared<ServedModel>(std::move(model), std::move(origin), limits,
                                       1000 * config.queue_wait_s);
}

}  // namespace infe::server
