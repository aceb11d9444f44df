// The thread around EngineCore, and the mailbox through which everybody else talks to it.
#include "engine/engine.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <variant>

#include <fmt/format.h>

#include "engine/core.h"
#include "engine/grammar_worker.h"

namespace infe::engine {
namespace {

// An idle engine wakes this often to show that it is alive.
constexpr std::chrono::seconds kIdleTick{1};

struct CancelMail {
  RequestId id;
};
struct PauseMail {
  RequestId id;
  bool paused;
};
struct SubmitMail {
  EngineRequest request;
  TimePoint arrival;
};
struct AnswerMail {};  // the grammar worker has one
using Mail = std::variant<SubmitMail, CancelMail, PauseMail, AnswerMail>;

class ThreadedEngine final : public Engine {
 public:
  ThreadedEngine(std::unique_ptr<EngineCore> core, const EngineOptions& options)
      : core_(std::move(core)), options_(options) {
    stats_ = core_->stats();
    grammar_worker_ = StartGrammarWorker([this] { Post(AnswerMail{}); });
    core_->SetGrammarWorker(grammar_worker_.get());
    thread_ = std::thread([this] { Run(); });
  }

  ~ThreadedEngine() override { Stop(); }

  void Stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    const std::lock_guard lock(join_mutex_);
    if (thread_.joinable()) thread_.join();
  }

  Result<void> Submit(EngineRequest request) override {
    INFE_TRY(core_->Validate(request));
    const TimePoint arrival = core_->Now();
    const size_t prompt = request.prompt.size();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || draining_) {
        return Error{ErrorCode::kUnavailable, "the engine is shutting down", {}};
      }
      const Result<void> room = RoomFor(prompt);
      if (!room) {
        ++rejected_;
        return room.error();
      }
      ++queued_requests_;
      queued_prompt_tokens_ += prompt;
      mail_.push_back(SubmitMail{std::move(request), arrival});
    }
    wake_.notify_one();
    return {};
  }

  void Cancel(RequestId id) override { Post(CancelMail{id}); }
  void SetPaused(RequestId id, bool paused) override { Post(PauseMail{id, paused}); }

  void Drain() override {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }

  EngineStats stats() const override {
    const std::lock_guard lock(mutex_);
    EngineStats stats = stats_;
    // What lies in the mailbox waits too.
    stats.waiting += queued_requests_ - std::min(queued_requests_, stats_queued_);
    stats.waiting_prompt_tokens = queued_prompt_tokens_;
    stats.rejected = rejected_;
    return stats;
  }
  uint64_t heartbeat() const override { return heartbeat_.load(std::memory_order_relaxed); }
  uint32_t context_max() const override { return core_->context_max(); }

 private:
  // mutex_ is held.
  Result<void> RoomFor(size_t prompt) const {
    if (queued_requests_ >= options_.queue_requests_max) {
      return ResourceExhausted(fmt::format("the queue is full: {} requests wait, the limit is {}",
                                           queued_requests_, options_.queue_requests_max));
    }
    // One long prompt may come into an empty queue, or it could never be served.
    if (queued_requests_ > 0 && queued_prompt_tokens_ + prompt > options_.queue_prompt_tokens_max) {
      return ResourceExhausted(
          fmt::format("the queue is full: prompts of {} tokens wait, the limit is {}",
                      queued_prompt_tokens_, options_.queue_prompt_tokens_max));
    }
    return {};
  }

  void Post(Mail mail) {
    {
      const std::lock_guard lock(mutex_);
      mail_.push_back(std::move(mail));
    }
    wake_.notify_one();
  }

  void Run() {
    if (options_.pool != nullptr) options_.pool->KeepCaller();
    bool busy = true;
    while (true) {
      std::deque<Mail> mail;
      {
        std::unique_lock lock(mutex_);
        if (!busy && mail_.empty() && !stopping_) Sleep(lock);
        if (stopping_) break;
        mail.swap(mail_);
      }
      for (Mail& letter : mail) Deliver(letter);
      busy = core_->Step();
      heartbeat_.fetch_add(1, std::memory_order_relaxed);
      Publish();
    }
    // Nothing is accepted any more; what was, ends.
    std::deque<Mail> mail;
    {
      const std::lock_guard lock(mutex_);
      mail.swap(mail_);
    }
    for (Mail& letter : mail) Deliver(letter);
    core_->CancelAll();
    Publish();
    core_->SavePrefixFile();
  }

  void Sleep(std::unique_lock<std::mutex>& lock) {
    auto until = std::chrono::steady_clock::now() + kIdleTick;
    if (const auto deadline = core_->NextDeadline()) {
      // The deadline is in the core's clock, the wait in the system's.
      until = std::min(until, std::chrono::steady_clock::now() + (*deadline - core_->Now()));
    }
    wake_.wait_until(lock, until);
  }

  void Deliver(Mail& letter) {
    if (auto* submit = std::get_if<SubmitMail>(&letter)) {
      core_->Add(std::move(submit->request), submit->arrival);
    } else if (auto* cancel = std::get_if<CancelMail>(&letter)) {
      core_->Cancel(cancel->id);
    } else if (auto* pause = std::get_if<PauseMail>(&letter)) {
      core_->SetPaused(pause->id, pause->paused);
    }
  }

  void Publish() {
    const std::lock_guard lock(mutex_);
    stats_ = core_->stats();
    stats_queued_ = core_->queued_requests();
    queued_requests_ = core_->queued_requests();
    queued_prompt_tokens_ = core_->queued_prompt_tokens();
    for (const Mail& letter : mail_) {
      if (const auto* submit = std::get_if<SubmitMail>(&letter)) {
        ++queued_requests_;
        queued_prompt_tokens_ += submit->request.prompt.size();
      }
    }
  }

  const std::unique_ptr<EngineCore> core_;  // Validate and Now: any thread; the rest: thread_
  const EngineOptions options_;
  std::atomic<uint64_t> heartbeat_{0};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  std::deque<Mail> mail_;
  EngineStats stats_;
  uint32_t stats_queued_ = 0;  // queued requests that stats_ has seen
  uint32_t queued_requests_ = 0;
  uint64_t queued_prompt_tokens_ = 0;
  uint64_t rejected_ = 0;
  bool draining_ = false;
  bool stopping_ = false;
  std::unique_ptr<GrammarWorker> grammar_worker_;
  std::mutex join_mutex_;  // guards the join of thread_
  std::thread thread_;     // last: everything above exists when it starts
};

}  // namespace

Result<std::unique_ptr<Engine>> Engine::Start(model::StepModel& model,
                                              const EngineOptions& options) {
  INFE_ASSIGN(std::unique_ptr<EngineCore> core, EngineCore::Create(model, options));
  return std::unique_ptr<Engine>(std::make_unique<ThreadedEngine>(std::move(core), options));
}

}  // namespace infe::engine
