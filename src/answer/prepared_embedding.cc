#include "answer/prepared_embedding.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "answer/prepared_text.h"

namespace infe::answer {
namespace {

// Why a vector of so many components is not to be had, and which are.
AnswerError NotThatShort(const ModelText& model, const EmbeddingKind& kind, const EmbedAsk& ask) {
  const EmbeddingUse& use = kind.use;
  std::string others;
  if (use.dimensions_min > 0) others = fmt::format("{} to {}", use.dimensions_min, kind.dimensions);
  for (const uint32_t size : use.dimensions)
    others += fmt::format("{}{}", others.empty() ? "" : ", ", size);
  if (others.empty())
    return InvalidAt(ask.dimensions_origin,
                     fmt::format("The vectors of '{}' have {} dimensions and were not made to be "
                                 "cut.",
                                 model.name, kind.dimensions));
  return InvalidAt(ask.dimensions_origin,
                   fmt::format("The vectors of '{}' have {} dimensions, and may be cut to: {}.",
                               model.name, kind.dimensions, others));
}

const std::string& PrefixOf(const EmbeddingUse& use, TextRole role) {
  static const std::string kNone;
  switch (role) {
    case TextRole::kPlain:
      return kNone;
    case TextRole::kQuery:
      return use.query_prefix;
    case TextRole::kDocument:
      return use.document_prefix;
  }
  return kNone;
}

// A place in the list of texts.
Origin Place(const Origin& list, size_t index) {
  return fmt::format("{}[{}]", list, index);
}

class EncodedTexts : public PreparedEmbedding {
 public:
  EncodedTexts(GeneratingModel model, EmbeddingPlan plan, std::vector<Origin> ignored)
      : model_(std::move(model)), plan_(std::move(plan)), ignored_(std::move(ignored)) {
    for (const EmbeddedText& text : plan_.texts)
      prompt_tokens_ += static_cast<uint32_t>(text.tokens.size());
  }
  uint32_t prompt_tokens() const override { return prompt_tokens_; }
  std::vector<Origin> ignored() const override { return ignored_; }
  Answered<std::shared_ptr<Running>> Start(std::shared_ptr<Executor> executor,
                                           TakeEmbeddings take) override {
    return Embedding::Start(std::move(model_), std::move(plan_), std::move(executor),
                            std::move(take));
  }

 private:
  GeneratingModel model_;
  EmbeddingPlan plan_;
  std::vector<Origin> ignored_;
  uint32_t prompt_tokens_ = 0;
};

}  // namespace

Answered<std::unique_ptr<PreparedEmbedding>> PrepareTexts(GeneratingModel model,
                                                          const EmbeddingKind& kind, EmbedAsk ask) {
  // A vector may only be cut where the model was made for it, which no file says.
  const auto dimensions = static_cast<uint32_t>(
      std::min<int64_t>(ask.dimensions.value_or(kind.dimensions), UINT32_MAX));
  if (!kind.use.MayCut(kind.dimensions, dimensions)) return NotThatShort(model.text, kind, ask);
  const std::string& prefix = PrefixOf(kind.use, ask.role);
  EmbeddingPlan plan;
  for (size_t i = 0; i < ask.texts.size(); ++i) {
    TextPrompt& text = ask.texts[i];
    // A single one has the list's own place.
    const Origin origin = ask.texts.size() == 1 ? ask.texts_origin : Place(ask.texts_origin, i);
    if (auto* words = std::get_if<std::string>(&text)) words->insert(0, prefix);
    auto tokens = EncodePrompt(model.text, text, origin, TextPurpose::kEmbed);
    if (!tokens) return std::move(tokens).error();
    if (tokens->size() > model.text.context_max)
      return TooLong({.context_max = model.text.context_max, .prompt = tokens->size()}, origin);
    if (tokens->empty()) return InvalidAt(origin, "The text has no tokens.");
    plan.texts.push_back({.tokens = std::move(*tokens)});
    text = {};  // a request's body may be large
  }
  plan.output = kind.output;
  plan.dimensions = dimensions;
  plan.caller = ask.caller;
  std::vector<Origin> ignored;
  if (ask.role != TextRole::kPlain && prefix.empty()) ignored.push_back(ask.role_origin);
  return std::unique_ptr<PreparedEmbedding>(
      new EncodedTexts(std::move(model), std::move(plan), std::move(ignored)));
}

Answered<std::unique_ptr<PreparedEmbedding>> PreparePairs(GeneratingModel model, RankAsk ask) {
  const tokenizer::Tokenizer& tokenizer = *model.text.tokenizer;
  std::vector<engine::TokenId> query = tokenizer.Encode(ask.query);
  query.insert(query.end(), tokenizer.between_texts().begin(), tokenizer.between_texts().end());
  if (query.size() >= model.text.context_max)
    return TooLong({.context_max = model.text.context_max, .prompt = query.size()},
                   ask.query_origin);
  EmbeddingPlan plan;
  for (size_t i = 0; i < ask.texts.size(); ++i) {
    std::vector<engine::TokenId> text =
        tokenizer.Encode(ask.texts[i], {.add_special = tokenizer::AddSpecial::kNever});
    if (ask.text_tokens_max && text.size() > static_cast<uint64_t>(*ask.text_tokens_max))
      text.resize(static_cast<size_t>(*ask.text_tokens_max));
    EmbeddedText pair{.tokens = query, .second_from = static_cast<uint32_t>(query.size())};
    pair.tokens.insert(pair.tokens.end(), text.begin(), text.end());
    if (tokenizer.add_eos()) pair.tokens.push_back(*tokenizer.eos());
    if (pair.tokens.size() > model.text.context_max)
      return TooLong({.context_max = model.text.context_max, .prompt = pair.tokens.size()},
                     Place(ask.texts_origin, i));
    plan.texts.push_back(std::move(pair));
    ask.texts[i] = {};
  }
  plan.output = engine::Output::kPooled;
  plan.form = EmbeddingForm::kScore;
  plan.dimensions = 1;
  plan.caller = ask.caller;
  return std::unique_ptr<PreparedEmbedding>(
      new EncodedTexts(std::move(model), std::move(plan), {}));
}

}  // namespace infe::answer
