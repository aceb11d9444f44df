#include "answer/local_model.h"

#include <utility>

#include <fmt/format.h>

#include "answer/prepared_chat.h"
#include "answer/prepared_text.h"
#include "base/sha256.h"
#include "engine/numerics_version.h"

namespace infe::answer {
namespace {

std::string ShortHash(std::string_view text) {
  Sha256 sha;
  sha.Update(text);
  return ToHex(sha.Finish()).substr(0, 16);
}

}  // namespace

Result<std::shared_ptr<LocalModel>> LocalModel::Start(engine::LoadedModel loaded,
                                                      LocalModelOptions options) {
  std::shared_ptr<LocalModel> self(new LocalModel);
  INFE_ASSIGN(self->text_, MakeModelText({.name = options.name,
                                          .tokenizer = loaded.tokenizer,
                                          .chat_template = loaded.chat_template,
                                          .bos_text = loaded.bos_text,
                                          .eos_text = loaded.eos_text,
                                          .end_tokens = loaded.end_tokens,
                                          .fill_in = {loaded.fill_in.prefix, loaded.fill_in.suffix,
                                                      loaded.fill_in.middle}}));
  options.engine.tokenize = [tokenizer = loaded.tokenizer](std::string_view text) {
    return tokenizer->Encode(text, {.add_special = tokenizer::AddSpecial::kNever});
  };
  options.engine.vocabulary = static_cast<uint32_t>(loaded.tokenizer->size());
  self->draft_model_ = std::move(options.draft_model);
  options.engine.draft_model = self->draft_model_.get();
  INFE_ASSIGN(self->engine_, engine::Engine::Start(*loaded.model, options.engine));
  // An engine that has no room for a draft model's state goes on without and never asks for it.
  if (self->engine_->stats().draft_state_bytes == 0) self->draft_model_ = nullptr;
  self->Describe(loaded, options);
  self->weights_ = std::move(loaded.model);
  return self;
}

void LocalModel::Describe(const engine::LoadedModel& loaded, const LocalModelOptions& options) {
  const std::string& digest = options.file_sha256;
  const std::string& source = loaded.chat_template;
  facts_.name = options.name;
  facts_.aliases = options.aliases;
  facts_.context_max = engine_->context_max();
  const bool ranks = loaded.model->config().ranks;
  if (!ranks) facts_.dimensions = static_cast<uint32_t>(loaded.model->hidden_size());
  if (loaded.model->hidden_size() > 0) {
    facts_.can = {.chat = false,
                  .text = false,
                  .tools = false,
                  .formats = false,
                  .scores = false,
                  .seed = false,
                  .embed = !ranks,
                  .rank = ranks};
  }
  embedding_ = {loaded.model->Gives(engine::Output::kPooled) ? engine::Output::kPooled
                                                             : engine::Output::kHidden,
                facts_.dimensions, options.embedding_use};
  facts_.created = options.created;
  if (draft_model_ != nullptr) facts_.draft_model = options.draft_name;
  facts_.architecture = loaded.model->config().architecture;
  facts_.quantisation = loaded.model->config().quantisation;
  facts_.file_digest = "sha256:" + digest;
  facts_.template_hash = ShortHash(source);
  facts_.tool_format = text_.renderer->Describe();
  facts_.sampling_defaults = options.sampling_defaults;
  facts_.render_fingerprint = "rf_" + ShortHash(digest + source);
  facts_.fingerprint =
      "fp_" + ShortHash(fmt::format("{} {} {} {} {} {}", digest, source, engine::kNumericsVersion,
                                    options.isa, options.kv_type,
                                    options.sampling_defaults.ToJson().Dump()));
  text_.context_max = facts_.context_max;
  text_.sampling_defaults = facts_.sampling_defaults;
  text_.render_fingerprint = facts_.render_fingerprint;
}

BackendLoad LocalModel::load() const {
  const engine::EngineStats stats = engine_->stats();
  return {stats.running, stats.waiting, stats.prefill_ms_per_token};
}

Answered<void> LocalModel::CheckWrites() const {
  if (facts_.can.text) return {};
  return InvalidAt("", fmt::format("The model '{}' {}; it writes nothing.", facts_.name,
                                   facts_.can.rank ? "ranks texts" : "makes embeddings"));
}

Answered<std::unique_ptr<Prepared>> LocalModel::Prepare(ChatAsk ask, const AnswerPolicy& policy) {
  if (auto writes = CheckWrites(); !writes) return writes.error();
  return PrepareChat({shared_from_this(), *engine_, text_}, std::move(ask), policy);
}

Answered<std::unique_ptr<PreparedEmbedding>> LocalModel::PrepareEmbedding(EmbedAsk ask) {
  if (embedding_.dimensions == 0) return Backend::PrepareEmbedding(std::move(ask));
  return PrepareTexts({shared_from_this(), *engine_, text_}, embedding_, std::move(ask));
}

Answered<std::unique_ptr<PreparedEmbedding>> LocalModel::PrepareRanking(RankAsk ask) {
  if (!facts_.can.rank) return Backend::PrepareRanking(std::move(ask));
  return PreparePairs({shared_from_this(), *engine_, text_}, std::move(ask));
}

Answered<std::unique_ptr<Prepared>> LocalModel::Prepare(TextAsk ask, const AnswerPolicy& policy) {
  if (auto writes = CheckWrites(); !writes) return writes.error();
  return PrepareText({shared_from_this(), *engine_, text_}, std::move(ask), policy);
}

}  // namespace infe::answer
