// A model that runs on this machine: its text, its weights, and the engine that steps it. Immutable
// but for the engine's own thread. Held by shared_ptr: an answer under way keeps its model alive.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "answer/backend.h"
#include "answer/model_text.h"
#include "answer/prepared_embedding.h"
#include "base/embedding_use.h"
#include "engine/engine.h"
#include "engine/loader.h"

namespace infe::answer {

// What is said of the model, beside what its file says.
struct LocalModelOptions {
  std::string name = {};
  std::vector<std::string> aliases = {};
  int64_t created = 0;                 // seconds since 1970
  std::string file_sha256 = {};        // in hex, of the bytes that were loaded
  std::string kv_type = {}, isa = {};  // as the weights were loaded: part of the fingerprint
  PartialSampling sampling_defaults = {};
  EmbeddingUse embedding_use = {};
  // Guesses ahead for it, of the same vocabulary, and its name. Null: none.
  std::unique_ptr<model::Model> draft_model = {};
  std::string draft_name = {};
  // All but tokenize, vocabulary and draft_model.
  engine::EngineOptions engine = {};
};

class LocalModel : public Backend, public std::enable_shared_from_this<LocalModel> {
 public:
  // Starts the engine. What loaded.model borrows outlives the result.
  static Result<std::shared_ptr<LocalModel>> Start(engine::LoadedModel loaded,
                                                   LocalModelOptions options);

  const ModelFacts& facts() const override { return facts_; }
  BackendLoad load() const override;
  Answered<std::unique_ptr<Prepared>> Prepare(ChatAsk ask, const AnswerPolicy& policy) override;
  Answered<std::unique_ptr<Prepared>> Prepare(TextAsk ask, const AnswerPolicy& policy) override;
  const tokenizer::Tokenizer* tokenizer() const override { return text_.tokenizer.get(); }
  Answered<std::unique_ptr<PreparedEmbedding>> PrepareEmbedding(EmbedAsk ask) override;
  Answered<std::unique_ptr<PreparedEmbedding>> PrepareRanking(RankAsk ask) override;
  engine::Engine* engine() const override { return engine_.get(); }
  void Stop() override { engine_->Stop(); }
  const ModelText& text() const { return text_; }

 private:
  LocalModel() = default;
  // What keeps it from writing: nothing, unless it makes vectors or ranks.
  Answered<void> CheckWrites() const;
  void Describe(const engine::LoadedModel& loaded, const LocalModelOptions& options);

  std::unique_ptr<model::Model> weights_;
  std::unique_ptr<model::Model> draft_model_;
  ModelText text_;
  ModelFacts facts_;
  EmbeddingKind embedding_;                 // dimensions 0: it makes no vectors
  std::unique_ptr<engine::Engine> engine_;  // last: its thread stops before the weights go
};

}  // namespace infe::answer
