#include "server/served_model.h"

#include <fmt/format.h>

#include "base/sha256.h"
#include "engine/numerics_version.h"
#include "engine/token_trie.h"

namespace infe::server {
namespace {

std::string ShortHash(std::string_view text) {
  Sha256 sha;
  sha.Update(text);
  return ToHex(sha.Finish()).substr(0, 16);
}

chat::ModelTokens TokensOf(const engine::LoadedModel& loaded) {
  const tokenizer::Tokenizer& tokenizer = *loaded.tokenizer;
  chat::ModelTokens tokens;
  tokens.bos = loaded.bos_text;
  tokens.eos = loaded.eos_text;
  if (tokenizer.unknown()) tokens.unknown = tokenizer.TokenText(*tokenizer.unknown());
  if (tokenizer.padding()) tokens.padding = tokenizer.TokenText(*tokenizer.padding());
  tokens.adds_bos = tokenizer.add_bos();
  for (tokenizer::TokenId id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.Type(id) == tokenizer::TokenType::kControl)
      tokens.control.push_back(tokenizer.TokenText(id));
  return tokens;
}

}  // namespace

Result<std::shared_ptr<ServedModel>> ServedModel::Load(
    const store::InstalledModel& installed, store::ModelFile file, const ServerConfig& config,
    const std::string& data_dir, ThreadPool& pool, const kernels::KernelTable& kernels,
    std::function<void(const std::string&)> say) {
  const auto start = std::chrono::steady_clock::now();
  std::shared_ptr<ServedModel> self(new ServedModel);
  self->installed_ = installed;
  self->file_sha256_ = file.sha256;
  engine::LoadOptions load;
  load.kv_type = config.kv_type;
  load.batch_sequences_max = config.max_batch;
  if (config.packed_cache) load.packed_cache = {data_dir + "/packed", file.sha256};
  // The file's own time: the same after every restart.
  const int64_t created = file.state.modified_ns / 1'000'000'000;
  {
    INFE_ASSIGN(const model::GgufFile gguf,
                model::GgufFile::Read(std::move(file.file), file.state, installed.path));
    INFE_ASSIGN(self->loaded_, engine::LoadModel(gguf, pool, kernels, load));
  }
  const std::string& source = self->loaded_.chat_template;
  INFE_ASSIGN(self->renderer_, chat::PromptRenderer::Create(source, TokensOf(self->loaded_)));
  self->marker_tokens_ = FindMarkerTokens(*self->loaded_.tokenizer, self->loaded_.end_tokens,
                                          self->renderer_->tool_format());
  INFE_ASSIGN(self->trie_,
              engine::BuildTokenTrie(*self->loaded_.tokenizer, self->loaded_.end_tokens));

  const std::string& digest = self->file_sha256_;
  engine::EngineOptions options;
  options.batch_sequences_max = config.max_batch;
  options.context_max = config.context;
  options.kv_memory_bytes = config.kv_memory_bytes;
  const uint32_t queue =
      config.queue_requests != 0 ? config.queue_requests : 4 * config.max_batch + 64;
  // The gate bounds what runs and waits together; in the engine's eyes all of it may be waiting for
  // a moment, when a batch arrives at once.
  options.queue_requests_max = config.max_batch + queue;
  options.queue_prompt_tokens_max = config.queue_tokens;
  options.step_budget_ms = config.step_budget_ms;
  options.prefix_cache = config.prefix_cache;
  if (config.prefix_cache_disk_bytes > 0) {
    options.prefix_file = {.path = fmt::format("{}/prefix/{}.kv", data_dir, installed.name),
                           .bytes_max = config.prefix_cache_disk_bytes,
                           .model_digest = digest,
                           .kv_type = Name(config.kv_type),
                           .isa = std::string(kernels::Name(kernels.isa))};
    options.notice = [name = installed.name, say = std::move(say)](const std::string& line) {
      if (say) say(fmt::format("{}: {}", name, line));
    };
  }
  options.speculation = config.speculation;
  options.logits_rows_max = engine::LogitsRowsMax(config.max_batch);
  options.tokenize = [tokenizer = self->loaded_.tokenizer](std::string_view text) {
    return tokenizer->Encode(text, {.add_special = tokenizer::AddSpecial::kNever});
  };
  options.vocabulary = static_cast<uint32_t>(self->loaded_.tokenizer->size());
  self->queue_wait_ms_ = 1000 * config.queue_wait_s;
  self->gate_ = std::make_unique<QueueGate>(
      QueueGate::Limits{options.queue_requests_max, options.queue_prompt_tokens_max});
  INFE_ASSIGN(self->engine_, engine::Engine::Start(*self->loaded_.model, options));

  const model::ModelConfig& shape = self->loaded_.model->config();
  self->render_fingerprint_ = "rf_" + ShortHash(digest + source);
  PartialSampling sampling;
  if (config.sampling_defaults == SamplingDefaults::kModel)
    sampling = installed.defaults.Over(self->loaded_.sampling);
  self->fingerprint_ =
      "fp_" + ShortHash(fmt::format("{} {} {} {} {} {}", digest, source, engine::kNumericsVersion,
                                    kernels::Name(kernels.isa), Name(config.kv_type),
                                    sampling.ToJson().Dump()));
  api::ModelObject& object = self->object_;
  object.sampling_defaults = sampling;
  object.id = installed.name;
  object.created = created;
  object.context_length = self->engine_->context_max();
  object.quantization = shape.quantisation;
  object.file_digest = "sha256:" + digest;
  object.template_hash = ShortHash(source);
  object.architecture = shape.architecture;
  object.tool_format = self->renderer_->Describe();
  self->load_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return self;
}

}  // namespace infe::server
