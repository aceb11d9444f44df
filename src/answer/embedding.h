// Texts on their way to vectors: a bounded number of them in the engine at a time, so that a list
// of thousands leaves room in its queue for others. Their vectors come back to the executor, are
// cut and made of length 1 there, and are told together. Scores of pairs of texts go the same way.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "answer/backend.h"
#include "answer/generation.h"

namespace infe::answer {

// Texts of one ask in the engine: enough to fill a step with short ones.
inline constexpr uint32_t kTextsAtOnce = 64;

// What becomes of a row of the model.
enum class EmbeddingForm : uint8_t {
  kUnit,   // its first components, made of length 1
  kScore,  // the logistic function of its one component
};

struct EmbeddedText {
  std::vector<engine::TokenId> tokens = {};  // not empty
  uint32_t second_from = 0;                  // as in engine::EngineRequest
};

struct EmbeddingPlan {
  std::vector<EmbeddedText> texts = {};  // at least one
  EmbeddingForm form = EmbeddingForm::kUnit;
  engine::Output output = engine::Output::kPooled;
  size_t dimensions = 0;  // that are kept
  Caller caller = {};
};

class Embedding : public Running, public std::enable_shared_from_this<Embedding> {
 public:
  // As PreparedEmbedding::Start.
  static Answered<std::shared_ptr<Running>> Start(GeneratingModel model, EmbeddingPlan plan,
                                                  std::shared_ptr<Executor> executor,
                                                  TakeEmbeddings take);

  void Abandon() override;
  void SetPaused(bool) override {}  // nothing is told before the end
  void Fail(AnswerError error) override;

 private:
  class Sink;

  Embedding(GeneratingModel model, EmbeddingPlan plan, std::shared_ptr<Executor> executor,
            TakeEmbeddings take);
  Result<void> Submit(uint32_t index);
  void SubmitMore();
  void OnResult(uint32_t index, engine::TokenEvent event);
  void Keep(uint32_t index, std::vector<float> vector);
  void EndWith(Answered<Embeddings> result);

  std::optional<GeneratingModel> model_;  // until the end
  EmbeddingPlan plan_;
  const std::shared_ptr<Executor> executor_;
  TakeEmbeddings take_;
  std::vector<engine::RequestId> ids_;
  uint32_t next_ = 0;  // to be submitted
  uint32_t running_ = 0;
  Embeddings result_;
  bool over_ = false;
};

}  // namespace infe::answer
