#include "answer/prepared_text.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "answer/budget.h"
#include "answer/constraint.h"
#include "base/utf8.h"
#include "grammar/matcher.h"

namespace infe::answer {
namespace {

using Tokens = std::vector<engine::TokenId>;

// The prompt of an answer that is to stand between two texts.
Answered<Tokens> EncodeBetween(const ModelText& model, const TextPrompt& prompt,
                               const TextAsk& ask) {
  const auto* before = std::get_if<std::string>(&prompt);
  if (before == nullptr)
    return InvalidAt(ask.suffix_origin, fmt::format("'{}' wants a '{}' that is text.",
                                                    ask.suffix_origin, ask.prompts_origin));
  if (!model.fill_in)
    return InvalidAt(ask.suffix_origin,
                     fmt::format("Invalid '{}': the model {} has not learnt to fill in between two "
                                 "texts; its vocabulary has no tokens for it.",
                                 ask.suffix_origin, model.name));
  const size_t bytes = before->size() + ask.suffix->size();
  if (model.SurelyTooLong(bytes))
    return TooLong(
        {.context_max = model.context_max, .prompt = model.TokensMin(bytes), .at_least = true},
        ask.prompts_origin);
  return EncodeFillIn(*model.tokenizer, *model.fill_in, *before, *ask.suffix);
}

// What the model begins a text with: an empty prompt is that.
engine::TokenId FirstToken(const ModelText& model) {
  return model.tokenizer->bos().value_or(model.end_tokens.empty() ? 0 : model.end_tokens[0]);
}

struct EncodedPrompt {
  Tokens tokens = {};
  std::optional<std::string> echo = {};  // absent: the text of the tokens
};

class PreparedText : public Prepared {
 public:
  PreparedText(GeneratingModel model, TextAsk ask, const AnswerPolicy& policy,
               std::vector<EncodedPrompt> prompts)
      : model_(std::move(model)),
        ask_(std::move(ask)),
        policy_(policy),
        prompts_(std::move(prompts)) {
    for (const EncodedPrompt& prompt : prompts_)
      facts_.prompt_tokens += static_cast<uint32_t>(prompt.tokens.size());
    facts_.seed = ResolveSeed(ask_.sampling);
  }

  const PreparedFacts& facts() const override { return facts_; }
  std::span<const uint32_t> prompt_ids() const override {
    return prompts_.size() == 1 ? std::span<const uint32_t>(prompts_[0].tokens)
                                : std::span<const uint32_t>();
  }

  Answered<void> Compile(GrammarSource& source) override {
    auto constraint = CompileFormat(source, ask_.format, policy_);
    if (!constraint) return std::move(constraint).error();
    constraint_ = std::move(*constraint);
    facts_.unenforced = constraint_.unenforced;
    return {};
  }

  Answered<std::shared_ptr<Running>> Start(
      std::shared_ptr<Executor> executor,
      const std::function<std::unique_ptr<Consumer>()>& make_consumer) override {
    GenerationPlan plan;
    plan.arrival = ask_.caller.arrival;
    PlanStops(ask_.sampling, plan);
    plan.scores = ask_.scores.tokens;
    for (const EncodedPrompt& prompt : prompts_)
      if (auto added = AddPrompt(prompt, plan); !added) return std::move(added).error();
    return Generation::Start(model_, std::move(plan), std::move(executor), make_consumer);
  }

 private:
  Answered<void> AddPrompt(const EncodedPrompt& prompt, GenerationPlan& plan) {
    const auto budget =
        TokenBudget(model_.text, prompt.tokens.size(), ask_.tokens_max, ask_.prompts_origin);
    if (!budget) return budget.error();
    std::optional<std::string> echo;
    if (ask_.echo)
      echo =
          prompt.echo ? *prompt.echo : SanitizeUtf8(model_.text.tokenizer->Decode(prompt.tokens));
    for (uint32_t i = 0; i < ask_.choices; ++i) {
      auto request = MakeEngineRequest(model_.text, ask_.caller, ask_.sampling, *facts_.seed);
      if (!request) return request.error();
      request->prompt = prompt.tokens;
      if (constraint_.grammar)
        request->matcher = grammar::NewMatcher(constraint_.grammar, model_.text.trie);
      request->close_before_limit = policy_.close_before_limit;
      request->max_tokens = *budget;
      request->sampling.choice = i;
      request->sampling.logprobs = ask_.scores.tokens;
      request->sampling.top_logprobs = ask_.scores.top;
      request->prompt_logprobs = ask_.echo && ask_.scores.tokens;
      plan.choices.push_back({.request = std::move(*request),
                              .echo = echo,
                              .scores_prompt = ask_.echo && ask_.scores.tokens});
    }
    return {};
  }

  const GeneratingModel model_;
  const TextAsk ask_;
  const AnswerPolicy policy_;
  const std::vector<EncodedPrompt> prompts_;
  Constraint constraint_;
  PreparedFacts facts_;
};

}  // namespace

Answered<Tokens> EncodePrompt(const ModelText& model, const TextPrompt& prompt,
                              const Origin& origin, TextPurpose purpose) {
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    if (purpose == TextPurpose::kGenerate && model.SurelyTooLong(text->size()))
      return TooLong({.context_max = model.context_max,
                      .prompt = model.TokensMin(text->size()),
                      .at_least = true},
                     origin);
    return model.tokenizer->Encode(
        *text, {.special = purpose == TextPurpose::kGenerate ? tokenizer::SpecialTokens::kAll
                                                             : tokenizer::SpecialTokens::kNone});
  }
  Tokens tokens;
  for (const int64_t id : std::get<std::vector<int64_t>>(prompt)) {
    if (static_cast<uint64_t>(id) >= model.tokenizer->size())
      return InvalidAt(
          origin,
          fmt::format("Invalid token id {} in '{}': the vocabulary of {} has the ids 0 to {}.", id,
                      origin, model.name, model.tokenizer->size() - 1));
    tokens.push_back(static_cast<engine::TokenId>(id));
  }
  return tokens;
}

Answered<std::unique_ptr<Prepared>> PrepareText(GeneratingModel model, TextAsk ask,
                                                const AnswerPolicy& policy) {
  std::vector<EncodedPrompt> prompts;
  for (const TextPrompt& prompt : ask.prompts) {
    auto tokens =
        ask.suffix ? EncodeBetween(model.text, prompt, ask)
                   : EncodePrompt(model.text, prompt, ask.prompts_origin, TextPurpose::kGenerate);
    if (!tokens) return std::move(tokens).error();
    if (tokens->empty()) tokens->push_back(FirstToken(model.text));
    const auto* text = std::get_if<std::string>(&prompt);
    // Scores go along with the text of the tokens, which special ones have none of.
    const bool as_sent = ask.echo && text != nullptr && !ask.scores.tokens;
    prompts.push_back(
        {.tokens = std::move(*tokens), .echo = as_sent ? std::optional(*text) : std::nullopt});
  }
  ask.prompts.clear();  // as large as the request's body
  return std::unique_ptr<Prepared>(
      new PreparedText(std::move(model), std::move(ask), policy, std::move(prompts)));
}

}  // namespace infe::answer
