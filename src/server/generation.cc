#include "server/generation.h"

#include <atomic>
#include <utility>

#include "server/door/errors.h"

namespace infe::server {
namespace {

std::atomic<engine::RequestId> g_next_id{
    1};  // unique within the process; nothing else is asked of it

}  // namespace

// Lives on in the engine until the finished event; brings every event to the connection's loop.
class Generation::Sink : public engine::TokenSink {
 public:
  Sink(std::shared_ptr<Generation> generation, uint32_t choice)
      : generation_(std::move(generation)), choice_(choice) {}
  void OnEvent(engine::TokenEvent event) override {
    auto shared = std::make_shared<engine::TokenEvent>(std::move(event));
    generation_->reply_.writer()->Post([generation = generation_, choice = choice_, shared] {
      generation->OnEvent(choice, std::move(*shared));
    });
  }

 private:
  const std::shared_ptr<Generation> generation_;
  const uint32_t choice_;
};

Result<std::shared_ptr<Generation>> Generation::Start(
    GenerationRequest request,
    const std::function<std::unique_ptr<GenerationConsumer>()>& make_consumer) {
  std::shared_ptr<Generation> self(new Generation(request.live, std::move(request.reply)));
  self->model_ = std::move(request.model);
  self->metrics_ = request.metrics;
  const auto& writer = self->reply_.writer();
  self->totals_.prepare_ms = std::chrono::duration<double, std::milli>(
                                 std::chrono::steady_clock::now() - self->reply_.caller().arrival)
                                 .count();
  for (engine::EngineRequest& choice : request.choices) {
    choice.id = g_next_id.fetch_add(1);
    const bool leads_prompt = choice.sampling.choice == 0;
    if (leads_prompt) self->totals_.prompt_tokens += static_cast<uint32_t>(choice.prompt.size());
    self->choices_.push_back(
        {choice.id,
         std::make_unique<ChoiceText>(self->model_->tokenizer(), choice.prompt.back(),
                                      request.stops, request.keep_tokens,
                                      request.shows_markers ? self->model_->marker_tokens()
                                                            : std::span<const MarkerToken>{}),
         leads_prompt, false, false, std::nullopt});
  }
  for (uint32_t i = 0; i < request.choices.size(); ++i) {
    request.choices[i].sink = std::make_shared<Sink>(self, i);
    auto submitted = self->model_->engine().Submit(std::move(request.choices[i]));
    if (!submitted) {
      for (uint32_t j = 0; j < i; ++j) self->model_->engine().Cancel(self->choices_[j].id);
      // Events of the choices that did start find nobody to tell.
      writer->Post([self] {
        self->over_ = true;
        self->Release();
      });
      return std::move(submitted).error();
    }
  }
  self->live_.Add(self);
  auto consumer = std::make_shared<std::unique_ptr<GenerationConsumer>>(make_consumer());
  writer->Post([self, consumer] { self->Attach(std::move(*consumer)); });
  writer->OnClose([weak = std::weak_ptr(self)] {
    if (const auto generation = weak.lock()) {
      generation->over_ = true;
      generation->CancelAll();
      generation->Release();
    }
  });
  writer->OnPause([weak = std::weak_ptr(self)] {
    if (const auto generation = weak.lock()) generation->SetPaused(true);
  });
  writer->OnResume([weak = std::weak_ptr(self)] {
    if (const auto generation = weak.lock()) generation->SetPaused(false);
  });
  return self;
}

void Generation::Attach(std::unique_ptr<GenerationConsumer> consumer) {
  if (over_) return;
  consumer_ = std::move(consumer);
  for (auto& [choice, event] : std::exchange(early_, {})) OnEvent(choice, std::move(event));
}

void Generation::OnEvent(uint32_t index, engine::TokenEvent event) {
  if (over_) return;
  if (!consumer_) {
    early_.emplace_back(index, std::move(event));
    return;
  }
  Choice& choice = choices_[index];
  if (choice.ended) return;
  if (!event.prompt_tokens.empty()) consumer_->OnPrompt(index, event.prompt_tokens);
  for (const engine::SampledToken& token : event.tokens) {
    if (choice.cut) break;
    reply_.facts().produced_tokens += 1;
    const TextPiece piece = choice.text->Feed(token);
    if (!piece.text.empty() || !piece.tokens.empty()) choice.cut = !consumer_->OnText(index, piece);
    choice.cut = choice.cut || choice.text->stopped();
    if (choice.cut) model_->engine().Cancel(choice.id);
  }
  if (!event.tokens.empty()) NoteProgress(choice, event.tokens.size());
  if (event.finished) EndChoice(index, event);
}

void Generation::NoteProgress(Choice& choice, size_t tokens) {
  const auto now = std::chrono::steady_clock::now();
  if (metrics_ != nullptr && choice.last_token)
    metrics_->inter_token.Observe(std::chrono::duration<double>(now - *choice.last_token).count() /
                                      static_cast<double>(tokens),
                                  tokens);
  choice.last_token = now;
  reply_.charge().PromptDone();
  // Of an answer that is collected, the client has seen nothing before it is whole.
  const RequestFacts& facts = reply_.facts();
  if (facts.stream) reply_.charge().Checkpoint(facts.prompt_tokens, facts.produced_tokens);
}

void Generation::EndChoice(uint32_t index, const engine::TokenEvent& event) {
  Choice& choice = choices_[index];
  choice.ended = true;
  engine::FinishReason reason = event.reason;
  uint32_t tokens = event.completion_tokens;
  if (choice.cut) {
    // What was sampled after the stop string is nobody's: the count is the same at any load.
    reason = engine::FinishReason::kStop;
    tokens = choice.text->tokens_used();
  }
  if (reason == engine::FinishReason::kError || reason == engine::FinishReason::kDeadline ||
      reason == engine::FinishReason::kCancelled) {
    if (reason == engine::FinishReason::kError) return EndWith(EndedByEngine(event.error));
    if (reason == engine::FinishReason::kDeadline) return EndWith(api::DeadlinePassed());
    return EndWith(api::ShuttingDown(1000));  // only a stopping engine cancels by itself
  }
  if (!choice.cut) {
    const TextPiece rest = choice.text->Finish();
    if (!rest.text.empty() || !rest.tokens.empty()) consumer_->OnText(index, rest);
  }
  consumer_->OnChoiceEnd(index, reason);
  totals_.completion_tokens += tokens;
  if (choice.leads_prompt) totals_.cached_tokens += event.timings.cached_tokens;
  if (index == 0) totals_.timings = event.timings;
  if (++ended_ < choices_.size()) return;
  over_ = true;
  RequestFacts& facts = reply_.facts();
  facts.completion_tokens = totals_.completion_tokens;
  facts.cached_tokens = totals_.cached_tokens;
  facts.queue_ms = totals_.timings.queue_ms;
  facts.prefill_ms = totals_.timings.prefill_ms;
  facts.decode_ms = totals_.timings.decode_ms;
  facts.ttft_ms = totals_.timings.ttft_ms;
  if (facts.finish_reason.empty())
    facts.finish_reason = reason == engine::FinishReason::kLength ? "length" : "stop";
  consumer_->OnEnd(totals_);
  Release();
}

void Generation::Fail(api::ApiError error) {
  reply_.writer()->Post([self = shared_from_this(), error = std::move(error)] {
    if (!self->over_ && self->consumer_) self->EndWith(error);
  });
}

void Generation::EndWith(const api::ApiError& error) {
  over_ = true;
  CancelAll();
  consumer_->OnError(error);
  Release();
}

void Generation::Release() {
  consumer_.reset();
  early_.clear();
  for (Choice& choice : choices_) choice.text.reset();
  model_.reset();
}

void Generation::CancelAll() {
  if (!model_) return;
  for (const Choice& choice : choices_)
    if (!choice.ended) model_->engine().Cancel(choice.id);
}

void Generation::SetPaused(bool paused) {
  if (!model_) return;
  for (const Choice& choice : choices_)
    if (!choice.ended) model_->engine().SetPaused(choice.id, paused);
}

}  // namespace infe::server
