#include "answer/embedding.h"

#include <chrono>
#include <cmath>
#include <utility>

#include "answer/budget.h"

namespace infe::answer {
namespace {

double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void MakeUnit(std::vector<float>& vector) {
  double squares = 0;
  for (const float x : vector) squares += double{x} * x;
  const auto factor = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
  for (float& x : vector) x *= factor;
}

}  // namespace

class Embedding::Sink : public engine::TokenSink {
 public:
  Sink(std::shared_ptr<Embedding> embedding, uint32_t index)
      : embedding_(std::move(embedding)), index_(index) {}
  void OnEvent(engine::TokenEvent event) override {
    if (!event.finished) return;
    auto shared = std::make_shared<engine::TokenEvent>(std::move(event));
    embedding_->executor_->Post([embedding = embedding_, index = index_, shared] {
      embedding->OnResult(index, std::move(*shared));
    });
  }

 private:
  const std::shared_ptr<Embedding> embedding_;
  const uint32_t index_;
};

Embedding::Embedding(GeneratingModel model, EmbeddingPlan plan, std::shared_ptr<Executor> executor,
                     TakeEmbeddings take)
    : model_(std::move(model)),
      plan_(std::move(plan)),
      executor_(std::move(executor)),
      take_(std::move(take)),
      ids_(plan_.texts.size()) {
  result_.vectors.resize(plan_.texts.size());
  for (const auto& text : plan_.texts)
    result_.totals.prompt_tokens += static_cast<uint32_t>(text.tokens.size());
  result_.totals.timings.prepare_ms = MillisecondsSince(plan_.caller.arrival);
}

// The first text is handed over here, so that a full queue is known before anything is said; the
// others on the executor, which alone changes what follows from now on.
Answered<std::shared_ptr<Running>> Embedding::Start(GeneratingModel model, EmbeddingPlan plan,
                                                    std::shared_ptr<Executor> executor,
                                                    TakeEmbeddings take) {
  const std::shared_ptr<const void> held = model.held;
  std::shared_ptr<Embedding> self(
      new Embedding(std::move(model), std::move(plan), std::move(executor), std::move(take)));
  self->next_ = self->running_ = 1;
  if (auto submitted = self->Submit(0); !submitted)
    return ToAnswerError(std::move(submitted).error());
  self->executor_->Post([self] { self->SubmitMore(); });
  return std::shared_ptr<Running>(self);
}

Result<void> Embedding::Submit(uint32_t index) {
  engine::EngineRequest request;
  ids_[index] = request.id = NewRequestId();
  request.prompt = std::exchange(plan_.texts[index].tokens, {});
  request.second_from = plan_.texts[index].second_from;
  request.output = plan_.output;
  request.cache_salt = plan_.caller.cache_salt;
  request.fairness_key = plan_.caller.fairness_key;
  request.fairness_weight = plan_.caller.fairness_weight;
  request.priority = ToEngine(plan_.caller.priority);
  request.deadline = plan_.caller.deadline;
  request.sink = std::make_shared<Sink>(shared_from_this(), index);
  return model_->engine.Submit(std::move(request));
}

void Embedding::SubmitMore() {
  while (!over_ && next_ < ids_.size() && running_ < kTextsAtOnce) {
    if (auto submitted = Submit(next_); !submitted)
      return EndWith(ToAnswerError(submitted.error()));
    ++next_;
    ++running_;
  }
}

void Embedding::OnResult(uint32_t index, engine::TokenEvent event) {
  if (over_) return;
  --running_;
  switch (event.reason) {
    case engine::FinishReason::kError:
      return EndWith(ToAnswerError(std::move(event.error)));
    case engine::FinishReason::kDeadline:
      return EndWith(DeadlinePassed());
    case engine::FinishReason::kCancelled:  // only a stopping engine does by itself
      return EndWith(Stopping(JitteredRetryMs()));
    case engine::FinishReason::kStop:
    case engine::FinishReason::kLength:
      break;
  }
  Keep(index, std::move(event.hidden));
  Timings& timings = result_.totals.timings;
  result_.totals.cached_tokens += event.timings.cached_tokens;
  timings.prefill_tokens += event.timings.prefill_tokens;
  if (index == 0) {
    timings.queue_ms = event.timings.queue_ms;
    timings.prefill_ms = event.timings.prefill_ms;
  }
  if (running_ == 0 && next_ == ids_.size()) {
    timings.total_ms = MillisecondsSince(plan_.caller.arrival);
    return EndWith(std::move(result_));
  }
  SubmitMore();
}

void Embedding::Keep(uint32_t index, std::vector<float> vector) {
  switch (plan_.form) {
    case EmbeddingForm::kUnit:
      if (vector.size() > plan_.dimensions) vector.resize(plan_.dimensions);
      MakeUnit(vector);
      break;
    case EmbeddingForm::kScore:
      for (float& x : vector) x = static_cast<float>(1 / (1 + std::exp(-double{x})));
      break;
  }
  result_.vectors[index] = std::move(vector);
}

void Embedding::EndWith(Answered<Embeddings> result) {
  const TakeEmbeddings take = std::exchange(take_, nullptr);
  Abandon();
  take(std::move(result));
}

void Embedding::Abandon() {
  if (std::exchange(over_, true)) return;
  for (uint32_t i = 0; i < next_; ++i)
    if (result_.vectors.size() <= i || result_.vectors[i].empty()) model_->engine.Cancel(ids_[i]);
  take_ = nullptr;
  model_.reset();
}

void Embedding::Fail(AnswerError error) {
  executor_->Post([self = shared_from_this(), error = std::move(error)] {
    if (!self->over_) self->EndWith(error);
  });
}

}  // namespace infe::answer
