#include "answer/generation.h"

#include <algorithm>
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

engine::RequestId NewRequestId() {
  return g_next_id.fetch_add(1);
}

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
  const auto asked_end = plan.stops.begin() + static_cast<ptrdiff_t>(plan.stops_asked);
  choice.stop.emplace(stops_asked_, stop_text_);
  choice.text = std::make_unique<ChoiceText>(*text.tokenizer, prompt.back(),
                                             std::vector<std::string>(asked_end, plan.stops.end()),
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
  self->stop_tokens_ = plan.stop_tokens;
  self->stop_text_ = plan.stop_text;
  self->tokens_min_ = plan.tokens_min;
  for (GenerationPlan::Choice& choice : plan.choices) {
    choice.request.id = NewRequestId();
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

// Of what a choice says, content passes the ask's stop texts.
Generation::Then Generation::PassContent(Choice& choice, std::vector<EventBody> bodies,
                                         std::vector<EventBody>& to) {
  StopMatcher& stop = *choice.stop;
  const bool early = choice.text->tokens_used() <= tokens_min_;
  for (EventBody& body : bodies) {
    auto* text = std::get_if<Text>(&body);
    if (text == nullptr) {
      // What was held back is content, and comes before whatever this is.
      if (std::string held = stop.Flush(); !held.empty()) to.emplace_back(Text{std::move(held)});
      choice.has_calls = choice.has_calls || std::holds_alternative<CallBegin>(body);
      to.push_back(std::move(body));
      continue;
    }
    if (!early) text->text = stop.Feed(text->text);
    if (!text->text.empty()) to.push_back(std::move(body));
    if (stop.found()) return Then::kEnd;
  }
  return Then::kMore;
}

void Generation::TellAll(uint32_t index, std::vector<EventBody> bodies) {
  Choice& choice = choices_[index];
  if (choice.scorer)
    choice.scorer->Append(choice.text->TakeTokens(choice.stop->kept_back()), choice.scores);
  // Text that is no answer's goes out with its scores even where it is empty.
  if (bodies.empty() && !choice.reader && !choice.scores.empty()) bodies.emplace_back(Text{});
  for (EventBody& body : bodies) Tell(index, std::move(body));
}

// Tokens that became reasoning. What ended it is markup, however many tokens that took.
void Generation::CountThoughts(Choice& choice, const std::vector<EventBody>& read) {
  const bool told = std::ranges::any_of(
      read, [](const EventBody& body) { return std::holds_alternative<Reasoning>(body); });
  if (told) totals_.reasoning_tokens += std::exchange(choice.untold_thoughts, 0);
  if (!choice.reader->is_reasoning()) choice.untold_thoughts = 0;
}

void Generation::TakeText(uint32_t index, std::string_view text) {
  Choice& choice = choices_[index];
  std::vector<EventBody> bodies;
  Then then = Then::kMore;
  if (choice.reader) {
    if (!text.empty() && choice.reader->is_reasoning()) choice.untold_thoughts += 1;
    std::vector<EventBody> read = choice.reader->Feed(text);
    CountThoughts(choice, read);
    then = PassContent(choice, std::move(read), bodies);
    if (choice.reader->complete()) then = Then::kEnd;
  } else if (!text.empty()) {
    std::vector<EventBody> all;
    all.emplace_back(Text{std::string(text)});
    then = PassContent(choice, std::move(all), bodies);
  }
  TellAll(index, std::move(bodies));
  if (then == Then::kEnd) choice.cut = Cut::kHere;
}

void Generation::TakeToken(uint32_t index, const engine::SampledToken& token) {
  Choice& choice = choices_[index];
  consumer_->OnToken(index);
  const bool stops =
      std::find(stop_tokens_.begin(), stop_tokens_.end(), token.token) != stop_tokens_.end() &&
      choice.text->tokens_used() >= tokens_min_;
  if (stops && stop_text_ == StopText::kLeftOut) {
    choice.text->Count();
  } else {
    TakeText(index, choice.text->Feed(token).text);
    if (choice.text->stopped()) choice.cut = Cut::kHere;
  }
  if (stops && choice.cut == Cut::kNone) {
    choice.cut = Cut::kBehind;
    choice.stop_token = token.token;
  }
  if (choice.cut != Cut::kNone) model_->engine.Cancel(choice.id);
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
    if (choice.cut != Cut::kNone) break;
    TakeToken(index, token);
  }
  if (!event.tokens.empty()) consumer_->OnStep(index, static_cast<uint32_t>(event.tokens.size()));
  if (event.finished) EndChoice(index, event);
}

ChoiceEnd Generation::EndOf(const Choice& choice, engine::FinishReason reason) const {
  ChoiceEnd end;
  if (reason == engine::FinishReason::kLength) {
    end.reason = StopReason::kLength;
  } else if (choice.has_calls) {
    end.reason = StopReason::kCalls;
  }
  if (const std::optional<size_t> met = choice.stop->matched()) end.stop = stops_asked_[*met];
  if (choice.stop_token) end.stop_token = *choice.stop_token;
  return end;
}

// What the reader and the stop texts held back; behind a stop text that is nobody's.
void Generation::FinishReading(uint32_t index, engine::FinishReason reason) {
  Choice& choice = choices_[index];
  std::vector<EventBody> bodies;
  if (choice.reader) {
    const bool cut = reason == engine::FinishReason::kLength;
    std::vector<EventBody> read =
        choice.reader->Finish(cut ? chat::TextEnd::kCut : chat::TextEnd::kWhole);
    CountThoughts(choice, read);
    if (!choice.stop->found()) PassContent(choice, std::move(read), bodies);
  }
  if (!choice.stop->found())
    if (std::string held = choice.stop->Flush(); !held.empty())
      bodies.emplace_back(Text{std::move(held)});
  TellAll(index, std::move(bodies));
}

void Generation::EndChoice(uint32_t index, const engine::TokenEvent& event) {
  Choice& choice = choices_[index];
  choice.ended = true;
  // What was sampled after a cut is nobody's: the count is the same at any load.
  const bool cut = choice.cut != Cut::kNone;
  const engine::FinishReason reason = cut ? engine::FinishReason::kStop : event.reason;
  if (reason == engine::FinishReason::kError) return EndWith(EndedByEngine(event.error));
  if (reason == engine::FinishReason::kDeadline) return EndWith(DeadlinePassed());
  // Only a stopping engine cancels by itself.
  if (reason == engine::FinishReason::kCancelled) return EndWith(Stopping(1000));
  if (choice.cut != Cut::kHere) TakeText(index, choice.text->Finish().text);
  FinishReading(index, reason);
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
  totals_.completion_tokens +=
      choice.cut != Cut::kNone ? choice.text->tokens_used() : event.completion_tokens;
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
