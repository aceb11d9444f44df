#include "server/models/load_model.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "answer/embedding.h"
#include "answer/local_model.h"
#include "engine/engine.h"
#include "engine/loader.h"
#include "server/models/read_gguf.h"

namespace infe::server {
namespace {

// Twice the bound of the gate is the most that is inside (door/queue_gate.h).
constexpr uint32_t kGateStretch = 2;

Result<std::string> ReadTemplate(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return NotFound(fmt::format("chat_template: cannot read {}", path));
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.empty()) return InvalidArgument(fmt::format("chat_template: {} is empty", path));
  return text;
}

// A file that is about to be loaded, of which the header has been read.
struct OpenedFile {
  model::GgufFile gguf;
  engine::LoadOptions load;
  std::string what;  // of LoadedWeights
};

Result<OpenedFile> Open(store::ModelFile file, const LoadFrame& frame) {
  engine::LoadOptions load;
  load.on_progress = frame.watch.on_progress;
  load.kv_type = frame.config.kv_type;
  load.batch_sequences_max = frame.config.max_batch;
  if (frame.config.packed_cache) load.packed_cache = {frame.data_dir + "/packed", file.sha256};
  std::string what =
      fmt::format("{} {} {}", file.sha256, Name(load.kv_type), load.batch_sequences_max);
  if (frame.weights != nullptr) load.weights = frame.weights->Find(what);
  INFE_ASSIGN(model::GgufFile gguf, ReadGguf(std::move(file)));
  return OpenedFile{std::move(gguf), std::move(load), std::move(what)};
}

// Weights that are in memory already have been counted.
Result<model::ModelNeeds> NeedsOf(const OpenedFile& file, const LoadFrame& frame) {
  INFE_ASSIGN(model::ModelNeeds needs,
              engine::NeedsOf(file.gguf, frame.pool.size(), frame.kernels, file.load));
  if (file.load.weights != nullptr) needs.weight_bytes = 0;
  return needs;
}

Result<engine::LoadedModel> Load(const OpenedFile& file, const LoadFrame& frame) {
  INFE_ASSIGN(engine::LoadedModel loaded,
              engine::LoadModel(file.gguf, frame.pool, frame.kernels, file.load));
  if (frame.weights != nullptr)
    frame.weights->Add(file.what, loaded.model->weights(), loaded.model->weight_bytes());
  return loaded;
}

struct Loaded {
  engine::LoadedModel model;
  ModelMemory memory;  // nothing without a limit
};

// Loads it, once it is known to fit.
Result<Loaded> LoadFile(store::ModelFile file, const LoadFrame& frame) {
  INFE_ASSIGN(const OpenedFile opened, Open(std::move(file), frame));
  Loaded loaded;
  if (frame.budget.limit > 0) {
    INFE_ASSIGN(const model::ModelNeeds needs, NeedsOf(opened, frame));
    INFE_ASSIGN(loaded.memory, PlanMemory(needs, frame.config, frame.budget));
  }
  INFE_ASSIGN(loaded.model, Load(opened, frame));
  return loaded;
}

// The same of the model that drafts for `model`; memory is that of both together.
Result<Loaded> LoadDraftFile(store::ModelFile file, const LoadFrame& frame, const Loaded& model) {
  INFE_ASSIGN(const OpenedFile opened, Open(std::move(file), frame));
  Loaded loaded;
  if (frame.budget.limit > 0) {
    INFE_ASSIGN(const model::ModelNeeds needs, NeedsOf(opened, frame));
    const DraftedModel drafted{.memory = model.memory,
                               .groups = model.model.model->kv_groups(),
                               .context = model.model.model->config().context_length};
    INFE_ASSIGN(loaded.memory, PlanDraft(drafted, needs, frame.config, frame.budget));
  }
  INFE_ASSIGN(loaded.model, Load(opened, frame));
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

// Null: it cannot be read or has no room, which `say` is told; the model goes on without, and its
// memory is what it was. Another vocabulary is a mistake of the entry, which stays one until it is
// mended.
Result<std::unique_ptr<model::Model>> LoadDraft(
    DraftFile draft, const LoadFrame& frame, Loaded& model,
    const std::function<void(const std::string&)>& say) {
  auto loaded = LoadDraftFile(std::move(draft.file), frame, model);
  if (!loaded) {
    say(fmt::format("no draft model: {}: {}", draft.name, loaded.error().message));
    return std::unique_ptr<model::Model>();
  }
  if (auto same = engine::CheckSameVocabulary(*model.model.tokenizer, *loaded->model.tokenizer);
      !same) {
    Error error = std::move(same).error();
    error.message = fmt::format("draft = \"{}\": {}", draft.name, error.message);
    return error;
  }
  model.memory = loaded->memory;
  return std::move(loaded->model.model);
}

engine::EngineOptions EngineOptionsOf(const ServerConfig& config) {
  engine::EngineOptions options;
  options.kv_memory_bytes = config.kv_memory_bytes;
  options.batch_sequences_max = config.max_batch;
  options.context_max = config.context;
  const uint32_t queue =
      config.queue_requests != 0 ? config.queue_requests : 4 * config.max_batch + 64;
  // The gate bounds what runs and waits together, or twice as much where keys want their shares; in
  // the engine's eyes all of it may be waiting for a moment, when a batch arrives at once.
  options.queue_requests_max = kGateStretch * (config.max_batch + queue);
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

// What is known before the file is read.
answer::LocalModelOptions OptionsOf(const store::InstalledModel& installed,
                                    const store::ModelFile& file, const LoadFrame& frame) {
  answer::LocalModelOptions options;
  options.name = installed.name;
  options.aliases = installed.aliases;
  // The file's own time: the same after every restart.
  options.created = file.state.modified_ns / 1'000'000'000;
  options.file_sha256 = file.sha256;
  options.kv_type = Name(frame.config.kv_type);
  options.isa = std::string(kernels::Name(frame.kernels.isa));
  options.embedding_use = installed.embedding;
  options.engine = EngineOptionsOf(frame.config);
  options.engine.notice = [name = installed.name, say = frame.watch.say](const std::string& line) {
    if (say) say(fmt::format("{}: {}", name, line));
  };
  return options;
}

}  // namespace

std::optional<DraftFile> OpenDraft(const store::DataDir& dir,
                                   const store::InstalledModel& installed,
                                   const ServerConfig& config,
                                   const std::function<void(const std::string&)>& warn) {
  if (installed.draft.empty() || !config.draft_models || !config.speculation) return std::nullopt;
  const auto registry = store::ModelRegistry::Load(dir);
  if (!registry) return std::nullopt;
  const auto all = registry->Installed();
  const auto named = std::ranges::find(all, installed.draft, &store::InstalledModel::name);
  if (named == all.end()) {
    warn(fmt::format("{} has no draft model: {} is not on this machine; get it with: infe pull {}",
                     installed.name, installed.draft, installed.draft));
    return std::nullopt;
  }
  auto file = store::OpenModelFile(dir, *named, {});
  if (file) return DraftFile{named->name, std::move(*file)};
  warn(fmt::format("{} has no draft model: {}", installed.name, file.error().message));
  return std::nullopt;
}

Result<std::shared_ptr<ServedModel>> LoadServedModel(const store::InstalledModel& installed,
                                                     store::ModelFile file, LoadFrame frame) {
  const ServerConfig& config = frame.config;
  const auto start = std::chrono::steady_clock::now();
  ServedModel::Origin origin{.installed = installed, .file_sha256 = file.sha256};
  // A model that is served by its path has no size of the registry.
  origin.installed.size_bytes = file.state.bytes;
  answer::LocalModelOptions options = OptionsOf(installed, file, frame);
  auto read = LoadFile(std::move(file), frame);
  if (!read) return Named(std::move(read).error(), installed.name);
  engine::LoadedModel& loaded = read->model;
  if (!config.chat_template.empty()) {
    INFE_ASSIGN(loaded.chat_template, ReadTemplate(config.chat_template));
  }
  const ModelMemory alone = read->memory;
  if (std::optional<DraftFile>& draft = frame.draft) {
    // Kept as well if it is left out: a reload does not try the same bytes again.
    origin.draft_sha256 = draft->file.sha256;
    origin.draft_bytes = draft->file.state.bytes;
    options.draft_name = draft->name;
    INFE_ASSIGN(options.draft_model,
                LoadDraft(std::move(*draft), frame, *read, options.engine.notice));
  }
  origin.memory = read->memory;
  if (config.sampling_defaults == SamplingDefaults::kModel)
    options.sampling_defaults = installed.defaults.Over(loaded.sampling);
  if (origin.memory.state > 0) options.engine.kv_memory_bytes = origin.memory.state;
  const QueueGate::Limits limits{options.engine.queue_requests_max / kGateStretch,
                                 options.engine.queue_prompt_tokens_max};
  const bool embeds = loaded.model->hidden_size() > 0;
  if (embeds) ForEmbeddings(options.engine, loaded);
  if (config.prefix_cache_disk_bytes > 0 && !embeds) {
    options.engine.prefix_file = {
        .path = fmt::format("{}/prefix/{}.kv", frame.data_dir, installed.name),
        .bytes_max = config.prefix_cache_disk_bytes,
        .model_digest = origin.file_sha256,
        .kv_type = options.kv_type,
        .isa = options.isa};
  }
  const uint32_t own = loaded.model->config().context_length;
  const uint32_t wanted = config.context == 0 ? own : std::min(config.context, own);
  INFE_ASSIGN(std::shared_ptr<answer::LocalModel> model,
              answer::LocalModel::Start(std::move(loaded), std::move(options)));
  TellOfContext(*model, wanted, config, origin.memory, frame.watch.say);
  // Left out here or by the engine, which may have no room for its state.
  if (model->facts().draft_model.empty()) {
    origin.draft_bytes = 0;
    origin.memory = alone;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  origin.load_seconds = took.count();
  return std::make_shared<ServedModel>(std::move(model), std::move(origin), limits,
                                       1000 * config.queue_wait_s);
}

std::string LoadedWords(const ServedModel& model) {
  const answer::ModelFacts& facts = model.backend().facts();
  const auto* engine = model.backend().engine();
  std::string draft;
  if (!facts.draft_model.empty() && engine != nullptr)
    draft = fmt::format(", {} drafts for it ({} of kv_memory)", facts.draft_model,
                        FormatBytes(engine->stats().draft_state_bytes));
  return fmt::format("{}: {} {}, context {}{}, loaded in {:.1f} s", model.name(),
                     facts.architecture, facts.quantisation, facts.context_max, draft,
                     model.load_seconds());
}

}  // namespace infe::server
