#include "server/handlers/answer_writer.h"

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "http/sse.h"
#include "server/metrics/metrics.h"

namespace infe::server {
namespace {

using answer::Event;

// Proxies close silent connections after 30 to 60 seconds.
constexpr auto kKeepAlive = std::chrono::seconds(15);

// A head that waits for the first event waits no longer: a client, or a proxy before it, that sees
// nothing at all gives up after 30 to 60 seconds.
constexpr auto kHeadHeldMax = std::chrono::seconds(25);

// Sends `sign` whenever nothing was written for kKeepAlive, until the answer has ended.
void KeepStreamAlive(const std::shared_ptr<http::ResponseWriter>& writer,
                     const std::shared_ptr<bool>& wrote, std::string_view sign) {
  writer->RunAfter(kKeepAlive, [weak = std::weak_ptr(writer), wrote, sign] {
    const auto held = weak.lock();
    if (!held || !held->is_open()) return;
    if (!std::exchange(*wrote, false)) held->Write(std::string(sign));
    KeepStreamAlive(held, wrote, sign);
  });
}

class LoopExecutor : public answer::Executor {
 public:
  explicit LoopExecutor(std::shared_ptr<http::ResponseWriter> writer)
      : writer_(std::move(writer)) {}
  void Post(std::function<void()> task) override { writer_->Post(std::move(task)); }

 private:
  const std::shared_ptr<http::ResponseWriter> writer_;
};

// What is counted and charged of an answer, streamed or not.
class AnswerWriter : public answer::Consumer {
 public:
  AnswerWriter(const Reply& reply, ModelMetrics& metrics) : reply_(reply), metrics_(metrics) {}

  void OnToken(uint32_t) override { reply_.facts().produced_tokens += 1; }
  void OnServer(std::string_view name) override {
    reply_.Note([name = std::string(name)](RequestFacts& facts) { facts.upstream = name; });
  }

  void OnStep(uint32_t choice, uint32_t tokens) override {
    const auto now = std::chrono::steady_clock::now();
    if (choice >= last_token_.size()) last_token_.resize(choice + 1);
    if (last_token_[choice])
      metrics_.inter_token.Observe(
          std::chrono::duration<double>(now - *last_token_[choice]).count() / tokens, tokens);
    last_token_[choice] = now;
    reply_.charge().PromptDone();
    // Of an answer that is collected, the client has seen nothing before it is whole.
    const RequestFacts& facts = reply_.facts();
    if (facts.stream) reply_.charge().Checkpoint(facts.prompt_tokens, facts.produced_tokens);
  }

  void OnEvent(const Event& event) override {
    if (const auto* failed = std::get_if<answer::Failed>(&event.body))
      return EndWith(text().ToError(failed->error));
    text().Take(event);
    const auto* done = std::get_if<answer::Done>(&event.body);
    if (done == nullptr) return;
    NoteTotals(done->totals);
    End(done->totals);
  }

 protected:
  virtual api::AnswerText& text() = 0;
  virtual void End(const answer::Totals& totals) = 0;
  virtual void EndWith(const api::ApiError& error) = 0;

  const Reply reply_;

 private:
  void NoteTotals(const answer::Totals& totals) {
    RequestFacts& facts = reply_.facts();
    // What was estimated is known now.
    if (totals.prompt_tokens > 0) facts.prompt_tokens = totals.prompt_tokens;
    facts.completion_tokens = totals.completion_tokens;
    facts.cached_tokens = totals.cached_tokens;
    facts.queue_ms = totals.timings.queue_ms;
    facts.prefill_ms = totals.timings.prefill_ms;
    facts.decode_ms = totals.timings.decode_ms;
    facts.ttft_ms = totals.timings.ttft_ms;
    facts.finish_reason = text().finish();
  }

  ModelMetrics& metrics_;
  std::vector<std::optional<std::chrono::steady_clock::time_point>> last_token_;  // by choice
};

// When a stream's head goes out.
enum class Head {
  kAtOnce,
  kWithFirstEvent,  // an error before it has a status of its own
};

class StreamWriter : public AnswerWriter {
 public:
  StreamWriter(const Reply& reply, ModelMetrics& metrics, const AnswerForm& form, Head head)
      : AnswerWriter(reply, metrics),
        headers_(form.headers),
        text_(form.stream(
            [this](std::string_view name, std::string_view data) { Send(name, data); })) {
    if (head == Head::kAtOnce) {
      Open();
    } else {
      reply_.writer()->RunAfter(kHeadHeldMax, [this, alive = std::weak_ptr(alive_)] {
        if (alive.lock()) Open();
      });
    }
  }

  void OnEvent(const Event& event) override {
    if (!std::holds_alternative<answer::Failed>(event.body)) Open();
    AnswerWriter::OnEvent(event);
  }

 private:
  api::AnswerText& text() override { return *text_; }
  void End(const answer::Totals&) override { reply_.writer()->End(); }
  void EndWith(const api::ApiError& error) override {
    if (!open_) return reply_.SendError(error);
    reply_.facts().error_code = ErrorCodeOf(error);
    api::ApiError told = error;
    told.request_id = reply_.caller().request_id;
    text_->Fail(told);
    reply_.writer()->End();
  }
  void Open() {
    if (std::exchange(open_, true)) return;
    http::Headers headers = reply_.Headers();
    for (const auto& [name, value] : http::SseHeaders()) headers.Set(name, value);
    for (const auto& [name, value] : headers_) headers.Set(name, value);
    reply_.writer()->StartStream(200, std::move(headers));
    text_->Begin();
    const std::string_view sign = text_->keep_alive();
    KeepStreamAlive(reply_.writer(), wrote_, sign.empty() ? http::kSsePing : sign);
  }
  void Send(std::string_view name, std::string_view data) {
    *wrote_ = true;
    std::string event = name.empty() ? std::string() : fmt::format("event: {}\n", name);
    http::AppendSseData(event, data);
    reply_.writer()->Write(std::move(event));
  }

  const std::shared_ptr<bool> wrote_ = std::make_shared<bool>(false);
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // goes when this goes
  const http::Headers headers_;
  const std::unique_ptr<api::StreamText> text_;
  bool open_ = false;  // the head has gone out
};

class WholeWriter : public AnswerWriter {
 public:
  WholeWriter(const Reply& reply, ModelMetrics& metrics, AnswerForm form)
      : AnswerWriter(reply, metrics),
        text_(std::move(form.whole)),
        headers_(std::move(form.headers)) {}

 private:
  api::AnswerText& text() override { return *text_; }
  void End(const answer::Totals& totals) override {
    http::HttpResponse response;
    response.headers = reply_.Headers();
    for (const auto& [name, value] : headers_) response.headers.Set(name, value);
    response.headers.Set("Content-Type", "application/json");
    response.headers.Set("Server-Timing", ServerTiming(totals.timings));
    response.body = text_->Body();
    reply_.writer()->Send(std::move(response));
  }
  void EndWith(const api::ApiError& error) override { reply_.SendError(error); }

  const std::unique_ptr<api::WholeText> text_;
  const http::Headers headers_;
};

}  // namespace

std::string ServerTiming(const answer::Timings& timings) {
  return fmt::format(
      "prepare;dur={:.1f}, queue;dur={:.1f}, prefill;dur={:.1f}, decode;dur={:.1f}, "
      "total;dur={:.1f}",
      timings.prepare_ms, timings.queue_ms, timings.prefill_ms, timings.decode_ms,
      timings.total_ms);
}

std::shared_ptr<answer::Executor> MakeExecutor(const Reply& reply) {
  return std::make_shared<LoopExecutor>(reply.writer());
}

void FollowClient(Services& services, const Reply& reply,
                  const std::shared_ptr<answer::Running>& running) {
  const auto& writer = reply.writer();
  services.answers.Add(running);
  writer->OnClose([weak = std::weak_ptr(running)] {
    if (const auto held = weak.lock()) held->Abandon();
  });
  writer->OnPause([weak = std::weak_ptr(running)] {
    if (const auto held = weak.lock()) held->SetPaused(true);
  });
  writer->OnResume([weak = std::weak_ptr(running)] {
    if (const auto held = weak.lock()) held->SetPaused(false);
  });
}

std::optional<answer::AnswerError> StartAnswer(Services& services, const Reply& reply,
                                               ModelMetrics& metrics, answer::Prepared& prepared,
                                               AnswerForm form) {
  reply.Note([](RequestFacts& facts) { facts.handed_over = true; });
  const Head head = prepared.facts().refuses_late ? Head::kWithFirstEvent : Head::kAtOnce;
  auto started = prepared.Start(MakeExecutor(reply), [&]() -> std::unique_ptr<answer::Consumer> {
    if (form.stream) return std::make_unique<StreamWriter>(reply, metrics, form, head);
    return std::make_unique<WholeWriter>(reply, metrics, std::move(form));
  });
  if (!started) return std::move(started).error();
  FollowClient(services, reply, *started);
  return std::nullopt;
}

}  // namespace infe::server
