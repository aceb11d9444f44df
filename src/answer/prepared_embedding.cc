#include "answer/prepared_embedding.h"

#include <utility>

#include <fmt/format.h>

#include "answer/prepared_text.h"

namespace infe::answer {
namespace {

class EncodedTexts : public PreparedEmbedding {
 public:
  EncodedTexts(GeneratingModel model, EmbeddingPlan plan)
      : model_(std::move(model)), plan_(std::move(plan)) {
    for (const auto& text : plan_.texts) prompt_tokens_ += static_cast<uint32_t>(text.size());
  }
  uint32_t prompt_tokens() const override { return prompt_tokens_; }
  Answered<std::shared_ptr<Running>> Start(std::shared_ptr<Executor> executor,
                                           TakeEmbeddings take) override {
    return Embedding::Start(std::move(model_), std::move(plan_), std::move(executor),
                            std::move(take));
  }

 private:
  GeneratingModel model_;
  EmbeddingPlan plan_;
  uint32_t prompt_tokens_ = 0;
};

}  // namespace

Answered<std::unique_ptr<PreparedEmbedding>> PrepareTexts(GeneratingModel model,
                                                          const EmbeddingKind& kind, EmbedAsk ask) {
  // A vector may only be cut where the model was made for it, which no file says.
  if (ask.dimensions && *ask.dimensions != kind.dimensions)
    return InvalidAt(
        ask.dimensions_origin,
        fmt::format("The vectors of '{}' have {} dimensions and were not made to be cut.",
                    model.text.name, kind.dimensions));
  EmbeddingPlan plan;
  for (const TextPrompt& text : ask.texts) {
    auto tokens = EncodePrompt(model.text, text, ask.texts_origin, TextPurpose::kEmbed);
    if (!tokens) return std::move(tokens).error();
    if (tokens->size() > model.text.context_max)
      return TooLong({.context_max = model.text.context_max, .prompt = tokens->size()},
                     ask.texts_origin);
    if (tokens->empty()) return InvalidAt(ask.texts_origin, "A text has no tokens.");
    plan.texts.push_back(std::move(*tokens));
  }
  plan.output = kind.output;
  plan.dimensions = kind.dimensions;
  plan.caller = ask.caller;
  return std::unique_ptr<PreparedEmbedding>(new EncodedTexts(std::move(model), std::move(plan)));
}

}  // namespace infe::answer
