#include "upstream/remote_answer.h"

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "upstream/chat_request.h"
#include "upstream/limits.h"
#include "upstream/wire.h"

namespace infe::upstream {
namespace {

using answer::AnswerError;
using Time = std::chrono::steady_clock::time_point;

constexpr std::string_view kDone = "[DONE]";

double MsBetween(Time from, Time to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

AnswerError RemoteFailure(int status, std::string code, std::string message) {
  AnswerError error;
  error.kind = AnswerError::Kind::kRemote;
  error.error.message = std::move(message);
  error.remote.status = status;
  error.remote.code = std::move(code);
  error.retry_ms = -1;
  return error;
}

// Whether another server may do better. What a request brought upon itself it meets everywhere.
bool IsWorthRetrying(int status) {
  return status == 401 || status == 403 || status == 404 || status == 408 || status == 429 ||
         status >= 500;
}

// Which of two errors tells the client more: one that says when to come again, then one of a server
// that spoke.
bool TellsMore(const AnswerError& a, const AnswerError& b) {
  const auto rank = [](const AnswerError& e) {
    return e.remote.status == 429 ? 2 : e.remote.status != 502 && e.remote.status != 504 ? 1 : 0;
  };
  if (rank(a) != rank(b)) return rank(a) > rank(b);
  return a.retry_ms >= 0 && (b.retry_ms < 0 || a.retry_ms < b.retry_ms);
}

bool IsText(const answer::EventBody& body) {
  return std::holds_alternative<answer::Text>(body) ||
         std::holds_alternative<answer::Reasoning>(body) ||
         std::holds_alternative<answer::CallBegin>(body) ||
         std::holds_alternative<answer::CallArguments>(body);
}

}  // namespace

// Hears one attempt, on the client's thread; what comes of an attempt that is over is dropped.
class RemoteAnswer::Listener : public HttpListener {
 public:
  Listener(std::shared_ptr<RemoteAnswer> answer, uint32_t attempt)
      : answer_(std::move(answer)), attempt_(attempt) {}
  void OnHead(HttpHead head) override {
    Post([head = std::move(head)](RemoteAnswer& answer) { answer.OnHead(head); });
  }
  void OnData(std::string_view data) override {
    Post([data = std::string(data)](RemoteAnswer& answer) { answer.OnData(data); });
  }
  void OnEnd(HttpEnd end) override {
    Post([end = std::move(end)](RemoteAnswer& answer) { answer.OnEnd(end); });
  }

 private:
  template <typename Task>
  void Post(Task task) {
    answer_->executor_->Post([answer = answer_, attempt = attempt_, task = std::move(task)] {
      if (!answer->over_ && attempt == answer->attempts_) task(*answer);
    });
  }

  const std::shared_ptr<RemoteAnswer> answer_;
  const uint32_t attempt_;
};

std::shared_ptr<RemoteAnswer> RemoteAnswer::Start(std::shared_ptr<RemoteModel> model,
                                                  RemotePlan plan,
                                                  std::shared_ptr<answer::Executor> executor,
                                                  std::unique_ptr<answer::Consumer> consumer) {
  std::shared_ptr<RemoteAnswer> self(
      new RemoteAnswer(std::move(model), std::move(plan), std::move(executor)));
  self->consumer_ = std::move(consumer);
  self->tried_.resize(self->model_->routes().size());
  self->executor_->Post([self] { self->Try(); });
  return self;
}

void RemoteAnswer::Abandon() {
  over_ = true;
  Release();
}

void RemoteAnswer::SetPaused(bool paused) {
  if (over_ || paused == paused_) return;
  paused_ = paused;
  if (!transfer_) return;
  transfer_->SetPaused(paused);
  SetDeadline(options().silence_timeout);
}

void RemoteAnswer::Fail(AnswerError error) {
  executor_->Post([self = shared_from_this(), error = std::move(error)] { self->EndWith(error); });
}

void RemoteAnswer::Try() {
  if (over_) return;
  const auto now = model_->Now();
  if (now >= plan_.deadline) return EndWith(answer::DeadlinePassed());
  const bool may = attempts_ <= model_->retries();
  const auto chosen = may ? model_->Choose(tried_, plan_.prefix) : std::nullopt;
  if (!chosen) {
    if (worst_) return EndWith(*worst_);
    AnswerError error = RemoteFailure(503, "upstream_unavailable",
                                      "No server that runs this model can be reached at present.");
    error.retry_ms = model_->RestMs();
    return EndWith(std::move(error));
  }
  tried_[*chosen] = true;
  attempts_ += 1;
  const Route& route = model_->routes()[*chosen];
  seat_ = std::make_unique<Upstream::Seat>(route.upstream);
  reader_.emplace(plan_.reading);
  events_ = {};
  body_.clear();
  consumer_->OnServer(route.upstream->name());
  HttpAsk ask;
  ask.url = options().url + "/chat/completions";
  ask.headers = route.upstream->Headers();
  ask.body = std::make_shared<std::string>(WriteChatBody(*plan_.body, route.model, options()));
  ask.ca_file = options().ca_file;
  ask.connect_timeout = options().connect_timeout;
  ask.deadline = std::min(plan_.deadline, now + options().first_token_timeout);
  transfer_ = model_->client().Send(std::move(ask),
                                    std::make_unique<Listener>(shared_from_this(), attempts_));
  if (paused_) transfer_->SetPaused(true);
}

void RemoteAnswer::SetDeadline(std::chrono::milliseconds wait) {
  // A client that does not read is not the server's silence.
  transfer_->SetDeadline(paused_ ? plan_.deadline : std::min(plan_.deadline, model_->Now() + wait));
}

void RemoteAnswer::OnHead(const HttpHead& head) {
  head_ = head;
  if (head.status == 200) seat_->TellHeard();
  kind_ = head.status != 200                        ? Body::kRefusal
          : head.content_type == "application/json" ? Body::kWhole
                                                    : Body::kEvents;
}

void RemoteAnswer::OnData(std::string_view data) {
  switch (kind_) {
    case Body::kRefusal:
      body_ += data.substr(0, kErrorBodyBytesMax - std::min(kErrorBodyBytesMax, body_.size()));
      return;
    case Body::kWhole:
      body_ += data;
      if (body_.size() > kEventBytesMax)
        FailWith(502, "upstream_invalid", "The server's answer is larger than an answer can be.");
      return;
    case Body::kEvents:
      if (told_) SetDeadline(options().silence_timeout);
      events_.Feed(data);
      return TakeEvents();
  }
}

void RemoteAnswer::TakeEvents() {
  // Each may end the attempt, and with it what the next would be read from.
  const uint32_t attempt = attempts_;
  while (!over_ && attempt == attempts_) {
    const std::optional<std::string> data = events_.Next();
    if (!data) break;
    TakeEvent(*data);
  }
  if (!over_ && attempt == attempts_ && events_.overflowed())
    FailWith(502, "upstream_invalid", "The server sent more for one event than an event can be.");
}

void RemoteAnswer::TakeEvent(const std::string& data) {
  if (data == kDone) {
    if (reader_->IsComplete()) return Complete();
    return FailWith(502, "upstream_cut", "The server ended the answer before it was complete.");
  }
  const Result<Json> object = ParseJson(data, {.allow_duplicate_keys = true});
  if (!object)
    return FailWith(502, "upstream_invalid", "The server sent what is not JSON in its stream.");
  TakeObject(*object);
}

void RemoteAnswer::TakeObject(const Json& object) {
  if (IsError(object)) {
    AnswerError error = ToError(0, object, head_.retry_after_ms);
    const int status = error.remote.status;
    const bool its_own = status >= 500;
    return FailAttempt(
        std::move(error), its_own ? Upstream::Outcome::kFailed : Upstream::Outcome::kRefused,
        Again::kElsewhere, fmt::format("it sent an error of status {} inside an answer", status));
  }
  Result<WireChunk> chunk = ToChunk(object);
  if (!chunk)
    return FailWith(502, "upstream_invalid",
                    "The server's answer cannot be read: " + chunk.error().message);
  const auto events = reader_->Take(std::move(*chunk));
  if (!events)
    return FailWith(
        502,
        events.error().code == ErrorCode::kUnavailable ? "upstream_failed" : "upstream_invalid",
        "The server's answer cannot be used: " + events.error().message + ".");
  Tell(*events);
  // Servers that count as they go: what a client that leaves has cost is known exactly.
  const auto& usage = reader_->usage();
  if (consumer_ && told_ && usage && usage->completion_tokens > produced_)
    Produce(0, usage->completion_tokens - produced_);
}

void RemoteAnswer::Produce(uint32_t choice, uint32_t tokens) {
  for (uint32_t i = 0; i < tokens; ++i) consumer_->OnToken(choice);
  produced_ += tokens;
}

void RemoteAnswer::Tell(const std::vector<answer::Event>& events) {
  for (const answer::Event& event : events) {
    if (!consumer_) return;
    if (!std::exchange(told_, true)) {
      first_told_ = model_->Now();
      seat_->TellBegun();
      SetDeadline(options().silence_timeout);
    }
    // A piece is a token, as nearly all servers send it; where scores come along they are counted.
    const auto tokens =
        static_cast<uint32_t>(std::max<size_t>(IsText(event.body) ? 1 : 0, event.scores.size()));
    Produce(event.choice, tokens);
    consumer_->OnEvent(event);
    if (tokens > 0 && consumer_) consumer_->OnStep(event.choice, tokens);
  }
}

void RemoteAnswer::TakeWhole() {
  const Result<Json> object = ParseJson(body_, {.allow_duplicate_keys = true});
  if (!object) return FailWith(502, "upstream_invalid", "The server's answer is not JSON.");
  const uint32_t attempt = attempts_;
  TakeObject(*object);
  if (over_ || attempt != attempts_) return;
  if (!reader_->IsComplete())
    return FailWith(502, "upstream_cut", "The server's answer does not say that it is complete.");
  Complete();
}

void RemoteAnswer::OnEnd(const HttpEnd& end) {
  using How = HttpEnd::How;
  Upstream& upstream = seat_->upstream();
  switch (end.how) {
    case How::kWhole:
      break;
    case How::kUnreached:
      return FailWith(502, "upstream_unreachable",
                      "The server that runs this model cannot be reached.", end.reason);
    case How::kCut:
      return FailWith(502, "upstream_cut",
                      told_ ? "The server broke the answer off."
                            : "The server closed the connection before it answered.",
                      end.reason);
    case How::kDeadline:
      if (model_->Now() >= plan_.deadline) return EndWith(answer::DeadlinePassed());
      return FailWith(504, "upstream_timeout",
                      told_ ? "The server fell silent in the middle of its answer."
                            : "The server did not begin to answer in time.");
    case How::kCancelled:
      return EndWith(answer::Stopping(1000));
  }
  switch (kind_) {
    case Body::kWhole:
      return TakeWhole();
    case Body::kEvents: {
      const uint32_t attempt = attempts_;
      if (const auto last = events_.Last()) TakeEvent(*last);
      if (over_ || attempt != attempts_) return;
      // Some servers leave the last word out; that every choice has ended says the same.
      if (reader_->IsComplete()) return Complete();
      return FailWith(502, "upstream_cut", "The server ended the answer before it was complete.");
    }
    case Body::kRefusal:
      break;
  }
  const Result<Json> object = ParseJson(body_, {.allow_duplicate_keys = true});
  AnswerError error = ToError(head_.status < 400 ? 502 : head_.status,
                              object ? *object : Json::MakeObject(), head_.retry_after_ms);
  const int status = error.remote.status;
  if (status == 429 || status == 503)
    if (head_.retry_after_ms > 0)
      upstream.SetBusyUntil(model_->Now() + std::chrono::milliseconds(head_.retry_after_ms));
  FailAttempt(std::move(error),
              status >= 500 ? Upstream::Outcome::kFailed : Upstream::Outcome::kRefused,
              IsWorthRetrying(status) ? Again::kElsewhere : Again::kNever,
              fmt::format("it answers {}", status));
}

void RemoteAnswer::FailWith(int status, std::string code, std::string message,
                            std::string_view why) {
  const std::string told = why.empty() ? message : fmt::format("{} {}", message, why);
  FailAttempt(RemoteFailure(status, std::move(code), std::move(message)),
              Upstream::Outcome::kFailed, Again::kElsewhere, told);
}

void RemoteAnswer::FailAttempt(AnswerError error, Upstream::Outcome outcome, Again again,
                               std::string_view why) {
  error = Shortened(seat_->upstream().Redact(std::move(error)));
  // Our key there is not the client's matter, and servers quote keys that they refuse.
  if (error.remote.status == 401 || error.remote.status == 403)
    error = RemoteFailure(502, "upstream_denied",
                          "The server that runs this model does not accept this server's key.");
  seat_->Tell(outcome, model_->Now(), why);
  transfer_->Cancel();
  transfer_.reset();
  seat_.reset();
  if (told_) return EndWith(std::move(error));
  if (!worst_ || TellsMore(error, *worst_)) worst_ = std::move(error);
  if (again == Again::kNever) return EndWith(*worst_);
  Try();
}

answer::Totals RemoteAnswer::TotalsNow() const {
  const auto now = model_->Now();
  answer::Totals totals;
  totals.prompt_tokens = plan_.prompt_tokens;
  totals.completion_tokens = produced_;
  if (reader_ && reader_->usage()) {
    const WireUsage& usage = *reader_->usage();
    // Some write zeros where they have not counted.
    if (usage.prompt_tokens > 0) totals.prompt_tokens = usage.prompt_tokens;
    if (usage.completion_tokens > 0) totals.completion_tokens = usage.completion_tokens;
    totals.cached_tokens = usage.cached_tokens;
    totals.reasoning_tokens = usage.reasoning_tokens;
    totals.predicted_accepted = usage.predicted_accepted;
    totals.predicted_rejected = usage.predicted_rejected;
  }
  totals.timings.total_ms = MsBetween(plan_.arrival, now);
  const auto first = told_ ? first_told_ : now;
  totals.timings.ttft_ms = MsBetween(plan_.arrival, first);
  totals.timings.decode_ms = MsBetween(first, now);
  totals.timings.cached_tokens = totals.cached_tokens;
  return totals;
}

void RemoteAnswer::Complete() {
  Tell(reader_->Finish());
  if (over_) return;
  seat_->Tell(Upstream::Outcome::kAnswered, model_->Now());
  const answer::Totals totals = TotalsNow();
  over_ = true;
  if (consumer_) consumer_->OnEvent({0, answer::Done{totals}, {}});
  // The connection is read to its end, so that the next request can use it.
  transfer_->SetDeadline(model_->Now() + kReadOutMax);
  transfer_.reset();
  Release();
}

void RemoteAnswer::EndWith(AnswerError error) {
  if (std::exchange(over_, true)) return;
  if (consumer_) consumer_->OnEvent({0, answer::Failed{std::move(error)}, {}});
  Release();
}

void RemoteAnswer::Release() {
  if (const auto transfer = std::exchange(transfer_, nullptr)) transfer->Cancel();
  seat_.reset();
  consumer_.reset();
  model_.reset();
}

}  // namespace infe::upstream
