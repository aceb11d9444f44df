#include "answer/prepared_chat.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "answer/budget.h"
#include "answer/constraint.h"
#include "answer/prompt.h"
#include "answer/thinking_guide.h"
#include "grammar/matcher.h"

namespace infe::answer {
namespace {

class PreparedChat : public Prepared {
 public:
  PreparedChat(GeneratingModel model, ChatAsk ask, const AnswerPolicy& policy, ChatPrompt prompt)
      : model_(std::move(model)),
        ask_(std::move(ask)),
        policy_(policy),
        prompt_(std::move(prompt)) {
    facts_.prompt_tokens = static_cast<uint32_t>(prompt_.tokens.size());
    facts_.seed = ResolveSeed(ask_.sampling);
    facts_.truncated_messages = prompt_.truncated_messages;
    facts_.ignored = prompt_.ignored;
    facts_.prompt_text = std::move(prompt_.text);
    // What is longer than any answer predicts nothing.
    if (ask_.prediction && !model_.text.SurelyTooLong(ask_.prediction->size()))
      prediction_ = model_.text.tokenizer->Encode(*ask_.prediction,
                                                  {.add_special = tokenizer::AddSpecial::kNever});
  }

  const PreparedFacts& facts() const override { return facts_; }
  std::span<const uint32_t> prompt_ids() const override { return prompt_.tokens; }

  Answered<void> Compile(GrammarSource& source) override {
    auto constraint = CompileConstraint(source, model_.text, ask_, prompt_.reading, policy_);
    if (!constraint) return std::move(constraint).error();
    constraint_ = std::move(*constraint);
    facts_.unenforced = constraint_.unenforced;
    return {};
  }

  Answered<std::shared_ptr<Running>> Start(
      std::shared_ptr<Executor> executor,
      const std::function<std::unique_ptr<Consumer>()>& make_consumer) override {
    const UnaskedEnd end =
        UnaskedEndOf(ask_, constraint_.grammar ? Constrained::kYes : Constrained::kNo, policy_);
    const auto budget =
        TokenBudget(model_.text, prompt_.tokens.size(), end.tokens_max, ask_.messages_origin);
    if (!budget) return budget.error();
    GenerationPlan plan;
    plan.arrival = ask_.caller.arrival;
    PlanStops(ask_.sampling, plan);
    for (const std::string& text : model_.text.renderer->stop_texts()) plan.stops.push_back(text);
    plan.scores = ask_.scores.tokens;
    plan.shown = model_.text.ShownTokens(prompt_.reading);
    plan.reading = ReadingRulesOf(ask_, prompt_.reading);
    for (uint32_t i = 0; i < ask_.choices; ++i) {
      auto request = MakeEngineRequest(model_.text, ask_.caller, ask_.sampling, *facts_.seed);
      if (!request) return request.error();
      request->prompt = prompt_.tokens;
      if (constraint_.grammar) {
        request->matcher = grammar::NewMatcher(constraint_.grammar, model_.text.trie);
        if (!prompt_.begun.empty())
          if (auto taken = TakeBegun(*request->matcher); !taken) return std::move(taken).error();
      }
      request->close_before_limit = policy_.close_before_limit;
      request->close_within = end.close_within;
      request->wind_down_after = end.wind_down_after;
      request->max_tokens = *budget;
      request->sampling.choice = i;
      request->sampling.logprobs = ask_.scores.tokens;
      request->sampling.top_logprobs = ask_.scores.top;
      request->prediction = prediction_;
      if (ask_.thinking.tokens_max && prompt_.reading.reasoning != chat::ReasoningMode::kNone)
        request->guide =
            std::make_unique<ThinkingGuide>(model_.text, prompt_.reading, prompt_.tokens.back(),
                                            static_cast<uint64_t>(*ask_.thinking.tokens_max));
      plan.choices.push_back({.request = std::move(*request)});
    }
    return Generation::Start(model_, std::move(plan), std::move(executor), make_consumer);
  }

 private:
  // The answer's grammar begins with the text that the answer goes on with.
  Answered<void> TakeBegun(grammar::Matcher& matcher) const {
    const auto tokens = model_.text.tokenizer->Encode(
        prompt_.begun, {.add_special = tokenizer::AddSpecial::kNever});
    for (const engine::TokenId token : tokens)
      if (!matcher.Allows(token) || !matcher.Accept(token))
        return InvalidAt(ask_.messages_origin,
                         fmt::format("The last of these '{}' cannot be continued: it does not "
                                     "begin an answer in the format that is asked for.",
                                     ask_.messages_origin));
    return {};
  }

  const GeneratingModel model_;
  const ChatAsk ask_;
  const AnswerPolicy policy_;
  ChatPrompt prompt_;
  std::vector<engine::TokenId> prediction_;
  Constraint constraint_;
  PreparedFacts facts_;
};

}  // namespace

Answered<std::unique_ptr<Prepared>> PrepareChat(GeneratingModel model, ChatAsk ask,
                                                const AnswerPolicy& policy) {
  auto prompt = BuildChatPrompt(model.text, ask, policy);
  if (!prompt) return std::move(prompt).error();
  ask.messages.clear();  // as large as the request's body
  return std::unique_ptr<Prepared>(
      new PreparedChat(std::move(model), std::move(ask), policy, std::move(*prompt)));
}

}  // namespace infe::answer
