#include "http/exchange.h"

#include <utility>

#include "base/check.h"

namespace infe::http {

namespace {

class Writer final : public ResponseWriter {
 public:
  explicit Writer(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~Writer() override { exchange_->Abandon(); }

  void Send(HttpResponse response) override { exchange_->Send(std::move(response)); }
  void StartStream(int status, Headers headers) override {
    exchange_->StartStream(status, std::move(headers));
  }
  bool Write(std::string data) override { return exchange_->Write(std::move(data)); }
  void End() override { exchange_->End(); }
  void Abort() override { exchange_->Abort(); }
  void OnClose(std::function<void()> f) override { exchange_->OnClose(std::move(f)); }
  void OnPause(std::function<void()> f) override { exchange_->OnPause(std::move(f)); }
  void OnResume(std::function<void()> f) override { exchange_->OnResume(std::move(f)); }
  size_t buffered_bytes() const override { return exchange_->buffered_bytes(); }
  bool is_open() const override { return exchange_->is_open(); }
  void Post(std::function<void()> task) override { exchange_->Post(std::move(task)); }
  void RunAfter(std::chrono::milliseconds delay, std::function<void()> task) override {
    exchange_->RunAfter(delay, std::move(task));
  }

 private:
  const std::shared_ptr<Exchange> exchange_;
};

}  // namespace

std::shared_ptr<ResponseWriter> MakeResponseWriter(std::shared_ptr<Exchange> exchange) {
  return std::make_shared<Writer>(std::move(exchange));
}

void Exchange::Announce(std::unique_lock<std::mutex> lock) {
  if (std::exchange(announced_, true)) return;
  lock.unlock();
  loop_->Post([self = shared_from_this()] {
    // A copy: the host may let go of this exchange while it handles the mail.
    if (const auto host = self->host_) host->OnMail(*self);
  });
}

void Exchange::Send(HttpResponse response) {
  std::unique_lock lock(mutex_);
  if (state_ != State::kOpen) return;
  state_ = State::kEnded;
  mail_.response = std::move(response);
  mail_.end = true;
  Announce(std::move(lock));
}

void Exchange::StartStream(int status, Headers headers) {
  std::unique_lock lock(mutex_);
  if (state_ != State::kOpen) return;
  state_ = State::kStreaming;
  mail_.stream_head = HttpResponse{status, std::move(headers), {}};
  Announce(std::move(lock));
}

bool Exchange::Write(std::string data) {
  std::unique_lock lock(mutex_);
  if (state_ != State::kStreaming) return false;
  if (mail_bytes_ + unsent_bytes_ + data.size() > output_bytes_max_) {
    state_ = State::kEnded;
    mail_.abort = true;
    Announce(std::move(lock));
    return false;
  }
  mail_bytes_ += data.size();
  buffered_bytes_.store(mail_bytes_ + unsent_bytes_, std::memory_order_relaxed);
  if (mail_.data.empty()) {
    mail_.data = std::move(data);
  } else {
    mail_.data += data;
  }
  Announce(std::move(lock));
  return true;
}

void Exchange::End() {
  std::unique_lock lock(mutex_);
  if (state_ != State::kStreaming) return;
  state_ = State::kEnded;
  mail_.end = true;
  Announce(std::move(lock));
}

void Exchange::Abort() {
  std::unique_lock lock(mutex_);
  if (!IsLive()) return;
  state_ = State::kEnded;
  mail_.abort = true;
  Announce(std::move(lock));
}

void Exchange::Abandon() {
  std::unique_lock lock(mutex_);
  if (!IsLive()) return;
  state_ = State::kEnded;
  mail_.abandoned = true;
  Announce(std::move(lock));
}

void Exchange::OnClose(std::function<void()> callback) {
  const std::unique_lock lock(mutex_);
  if (state_ == State::kClosed) {
    loop_->Post(std::move(callback));
  } else if (IsLive()) {
    on_close_ = std::make_shared<Callback>(std::move(callback));
  }
}

void Exchange::OnPause(std::function<void()> callback) {
  const std::unique_lock lock(mutex_);
  if (!IsLive()) return;
  on_pause_ = std::make_shared<Callback>(std::move(callback));
  if (paused_) {
    loop_->Post([self = shared_from_this(), pause = on_pause_] { self->RunCallback(pause); });
  }
}

void Exchange::OnResume(std::function<void()> callback) {
  const std::unique_lock lock(mutex_);
  if (IsLive()) on_resume_ = std::make_shared<Callback>(std::move(callback));
}

void Exchange::Post(std::function<void()> task) {
  loop_->Post(std::move(task));
}

void Exchange::RunAfter(std::chrono::milliseconds delay, std::function<void()> task) {
  const auto when = EventLoop::Clock::now() + delay;
  loop_->Post([self = shared_from_this(), when, task = std::move(task)]() mutable {
    if (self->host_ == nullptr) return;
    std::erase_if(self->timers_,
                  [](const auto& id) { return id.first <= EventLoop::Clock::now(); });
    self->timers_.push_back(self->loop_->RunAt(when, [self, task = std::move(task)] {
      if (self->host_ != nullptr) task();
    }));
  });
}

bool Exchange::is_open() const {
  const std::lock_guard lock(mutex_);
  return IsLive();
}

Mail Exchange::TakeMail() {
  const std::lock_guard lock(mutex_);
  announced_ = false;
  unsent_bytes_ += mail_bytes_;
  mail_bytes_ = 0;
  return std::exchange(mail_, Mail());
}

void Exchange::SetUnsentBytes(size_t bytes) {
  const std::lock_guard lock(mutex_);
  unsent_bytes_ = bytes;
  buffered_bytes_.store(mail_bytes_ + unsent_bytes_, std::memory_order_relaxed);
}

void Exchange::RunCallback(const std::shared_ptr<Callback>& callback) {
  if (callback != nullptr && *callback) (*callback)();
}

void Exchange::NotifyPause() {
  std::unique_lock lock(mutex_);
  if (std::exchange(paused_, true)) return;
  const auto callback = on_pause_;
  lock.unlock();
  RunCallback(callback);
}

void Exchange::NotifyResume() {
  std::unique_lock lock(mutex_);
  if (!std::exchange(paused_, false)) return;
  const auto callback = on_resume_;
  lock.unlock();
  RunCallback(callback);
}

void Exchange::Finish(Outcome outcome) {
  for (const EventLoop::TimerId& id : timers_) loop_->Cancel(id);
  timers_.clear();
  host_.reset();
  std::unique_lock lock(mutex_);
  state_ = outcome == Outcome::kClientGone ? State::kClosed : State::kEnded;
  // Taken out before they are let go: they may own the last writer, which locks again.
  const auto close = std::move(on_close_);
  const auto pause = std::move(on_pause_);
  const auto resume = std::move(on_resume_);
  const Mail unread = std::exchange(mail_, Mail());
  mail_bytes_ = unsent_bytes_ = 0;
  buffered_bytes_.store(0, std::memory_order_relaxed);
  lock.unlock();
  if (outcome == Outcome::kClientGone) RunCallback(close);
}

}  // namespace infe::http
