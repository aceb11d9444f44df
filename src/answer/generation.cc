#include "answer/generation.h"

#include <atomic>

namespace infe::answer {
namespace {

std::atomic<engine::RequestId> g_next_id{
    1};  // unique within the process; nothing else is asked of it

double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// For an ask that the engine has accepted: its resources are bounds of its own grammar, which no
// repetition changes, never a full queue.
AnswerError EndedByEngine(const Error& error) {
  AnswerError made = ToAnswerError(error);
  if (error.code == ErrorCode::kResourceExhausted) {
    made.kind = AnswerError::Kind::kRefused;
    made.error.param.clear();
  }
  return made;
}

}  // namespace

// Lives on in the engine until the finished event; brings every event to the executor.
class Generation::Sink : public engine::TokenSink {
 public:
  Sink(std::shared_ptr<Generation> generation, uint32_t choice)
      : generation_(std::move(generation)), choice_(choice) {}
  void OnEvent(engine::TokenEvent event) override {
    auto shared = std::make_shared<engine::TokenEvent>(std::move(event));
    generation_->executor_->Post([generation = generation_, choice = choice_, shared] {
      generation->OnTokens(choice, std::move(*shared));
    });
  }

 private:
  const std::shared_ptr<Generation> generation_;
  const uint32_t choice_;
};

void Generation::AddChoice(const GenerationPlan& plan, const GenerationPlan::Choice& planned) {
  const std::vector<engine::TokenId>& prompt = planned.request.prompt;
  const ModelText& text = model_->text;
  Choice choice;
  choice.id = planned.request.id;
  choice.text = std::make_unique<ChoiceText>(*text.tokenizer, prompt.back(), plan.stops,
                                             plan.scores, plan.shown);
  if (plan.reading) choice.reader = std::make_unique<ChoiceReader>(*plan.reading);
  if (plan.scores)
    choice.scorer.emplace(*text.tokenizer, prompt.back(),
                          planned.scores_prompt ? static_cast<uint32_t>(prompt.size()) : 0);
  choice.echo = planned.echo;
  choice.leads_prompt = planned.request.sampling.choice == 0;
  if (choice.leads_prompt) totals_.prompt_tokens += static_cast<uint32_t>(prompt.size());
  choices_.push_back(std::move(choice));
}

Answered<std::shared_ptr<Running>> Generation::Start(
    GeneratingModel model, GenerationPlan plan, std::shared_ptr<Executor> executor,
    const std::function<std::unique_ptr<Consumer>()>& make_consumer) {
  engine::Engine& engine = model.engine;
  const std::shared_ptr<const void> held = model.held;
  std::shared_ptr<Generation> self(new Generation(std::move(model), std::move(executor)));
  self->arrival_ = plan.arrival;
  self->totals_.timings.prepare_ms = MillisecondsSince(plan.arrival);
  self->stops_asked_.assign(plan.stops.begin(),
                            plan.stops.begin() + static_cast<ptrdiff_t>(plan.stops_asked));
  for (GenerationPlan::Choice& choice : plan.choices) {
    choice.request.id = g_next_id.fetch_add(1);
    self->AddChoice(plan, choice);
  }
  std::vector<engine::RequestId> ids;
  for (const Choice& choice : self->choices_) ids.push_back(choice.id);
  for (uint32_t i = 0; i < plan.choices.size(); ++i) {
    plan.choices[i].request.sink = std::make_shared<Sink>(self, i);
    auto submitted = engine.Submit(std::move(plan.choices[i].request));
    if (submitted) continue;
    for (uint32_t j = 0; j < i; ++j) engine.Cancel(ids[j]);
    // Events of the choices that did start find nobody to tell.
    self->executor_->Post([self] {
      self->over_ = true;
      self->Release();
    });
    return ToAnswerError(std::move(submitted).error());
  }
  auto consumer = std::make_shared<std::unique_ptr<Consumer>>(make_consumer());
  self->executor_->Post([self, consumer] { self->Attach(std::move(*consumer)); });
  return std::shared_ptr<Running>(self);
}

void Generation::Attach(std::unique_ptr<Consumer> consumer) {
  if (over_) return;
  consumer_ = std::move(consumer);
  for (uint32_t i = 0; i < choices_.size() && !over_; ++i)
    if (choices_[i].echo && (!choices_[i].scorer || choices_[i].scorer->prompt_done()))
      Tell(i, Prompt{*std::exchange(choices_[i].echo, std::nullopt)});
  for (auto& [choice, event] : std::exchange(early_, {})) OnTokens(choice, std::move(event));
}

void Generation::Tell(uint32_t index, EventBody body) {
  // The end of a call says nothing that a dialect would put scores beside.
  TokenScores scores;
  if (!std::holds_alternative<CallEnd>(body)) scores = std::exchange(choices_[index].scores, {});
  consumer_->OnEvent({index, std::move(body), std::move(scores)});
}

void Generation::TakePrompt(uint32_t index, const std::vector<engine::SampledToken>& tokens) {
  Choice& choice = choices_[index];
  choice.scorer->Append(tokens, choice.scores);
  if (choice.scorer->prompt_done())
    Tell(index, Prompt{std::exchange(choice.echo, std::nullopt).value_or("")});
}

bool Generation::TakeText(uint32_t index, const TextPiece& piece) {
  Choice& choice = choices_[index];
  if (choice.scorer) choice.scorer->Append(piece.tokens, choice.scores);
  if (!choice.reader) {
    Tell(index, Text{piece.text});
    return true;
  }
  if (choice.reader->is_reasoning()) totals_.reasoning_tokens += 1;
  for (EventBody& body : choice.reader->Feed(piece.text)) Tell(index, std::move(body));
  return !choice.reader->complete();
}

void Generation::OnTokens(uint32_t index, engine::TokenEvent event) {
  if (over_) return;
  if (!consumer_) {
    early_.emplace_back(index, std::move(event));
    return;
  }
  Choice& choice = choices_[index];
  if (choice.ended) return;
  if (!event.prompt_tokens.empty()) TakePrompt(index, event.prompt_tokens);
  for (const engine::SampledToken& token : event.tokens) {
    if (choice.cut) break;
    consumer_->OnToken(index);
    const TextPiece piece = choice.text->Feed(token);
    if (!piece.text.empty() || !piece.tokens.empty()) choice.cut = !TakeText(index, piece);
    choice.cut = choice.cut || choice.text->stopped();
    if (choice.cut) model_->engine.Cancel(choice.id);
  }
  if (!event.tokens.empty()) consumer_->OnStep(index, static_cast<uint32_t>(event.tokens.size()));
  if (event.finished) EndChoice(index, event);
}

ChoiceEnd Generation::EndOf(const Choice& choice, engine::FinishReason reason) const {
  ChoiceEnd end;
  if (reason == engine::FinishReason::kLength) {
    end.reason = StopReason::kLength;
  } else if (choice.reader && choice.reader->has_calls()) {
    end.reason = StopReason::kCalls;
  }
  const std::optional<size_t> met = choice.text->stop_met();
  if (met && *met < stops_asked_.size()) end.stop = stops_asked_[*met];
  return end;
}

void Generation::EndChoice(uint32_t index, const engine::TokenEvent& event) {
  Choice& choice = choices_[index];
  choice.ended = true;
  // What was sampled after a cut is nobody's: the count is the same at any load.
  const engine::FinishReason reason = choice.cut ? engine::FinishReason::kStop : event.reason;
  if (reason == engine::FinishReason::kError) return EndWith(EndedByEngine(event.error));
  if (reason == engine::FinishReason::kDeadline) return EndWith(DeadlinePassed());
  // Only a stopping engine cancels by itself.
  if (reason == engine::FinishReason::kCancelled) return EndWith(Stopping(1000));
  if (!choice.cut) {
    const TextPiece rest = choice.text->Finish();
    if (!rest.text.empty() || !rest.tokens.empty()) TakeText(index, rest);
  }
  if (choice.reader)
    for (EventBody& body : choice.reader->Finish()) Tell(index, std::move(body));
  Tell(index, EndOf(choice, reason));
  AddToTotals(index, event);
  if (++ended_ < choices_.size()) return;
  over_ = true;
  totals_.timings.total_ms = MillisecondsSince(arrival_);
  consumer_->OnEvent({0, Done{totals_}, {}});
  Release();
}

void Generation::AddToTotals(uint32_t index, const engine::TokenEvent& event) {
  const Choice& choice = choices_[index];
  totals_.completion_tokens += choice.cut ? choice.text->tokens_used() : event.completion_tokens;
  if (choice.leads_prompt) totals_.cached_tokens += event.timings.cached_tokens;
  if (index != 0) return;
  const engine::RequestTimings& from = event.timings;
  Timings& to = totals_.timings;
  to.queue_ms = from.queue_ms;
  to.prefill_ms = from.prefill_ms;
  to.decode_ms = from.decode_ms;
  to.ttft_ms = from.ttft_ms;
  to.prefill_tokens = from.prefill_tokens;
  to.cached_tokens = from.cached_tokens;
  to.drafted_tokens = from.drafted_tokens;
  to.accepted_tokens = from.accepted_tokens;
  totals_.predicted_accepted = from.predicted_accepted;
  totals_.predicted_rejected = from.predicted_rejected;
}

void Generation::Abandon() {
  over_ = true;
  CancelAll();
  Release();
}

void Generation::Fail(AnswerError error) {
  executor_->Post([self = shared_from_this(), error = std::move(error)] {
    if (!self->over_ && self->consumer_) self->EndWith(error);
  });
}

void Generation::EndWith(AnswerError error) {
  over_ = true;
  CancelAll();
  consumer_->OnEvent({0, Failed{std::move(error)}, {}});
  Release();
}

void Generation::Release() {
  consumer_.reset();
  early_.clear();
  for (Choice& choice : choices_) {
    choice.text.reset();
    choice.reader.reset();
    choice.scorer.reset();
  }
  model_.reset();
}

void Generation::CancelAll() {
  if (!model_) return;
  for (const Choice& choice : choices_)
    if (!choice.ended) model_->engine.Cancel(choice.id);
}

void Generation::SetPaused(bool paused) {
  if (!model_) return;
  for (const Choice& choice : choices_)
    if (!choice.ended) model_->engine.SetPaused(choice.id, paused);
}

}  // namespace infe::answer
