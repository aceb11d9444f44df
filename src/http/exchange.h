// The meeting point of one request's handler and its connection. Handlers, on any thread, leave
// their answer in a mailbox; the connection, on its loop, empties it. Whatever arrives between two
// turns of the loop leaves in one write.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http/event_loop.h"
#include "http/message.h"
#include "http/response_writer.h"

namespace infe::http {

class Exchange;

// The connection, as an exchange knows it.
class ExchangeHost {
 public:
  virtual ~ExchangeHost() = default;
  virtual void OnMail(Exchange& exchange) = 0;
};

// What handlers left, in the order in which it is to be sent.
struct Mail {
  std::optional<HttpResponse> response;     // Send
  std::optional<HttpResponse> stream_head;  // StartStream; its body is empty
  std::string data;                         // Write
  bool end = false;
  bool abort = false;
  bool abandoned = false;  // the writer was destroyed while open
};

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<EventLoop> loop, std::shared_ptr<ExchangeHost> host,
           size_t output_bytes_max)
      : loop_(std::move(loop)), host_(std::move(host)), output_bytes_max_(output_bytes_max) {}

  // For the writer; any thread.
  void Send(HttpResponse response);
  void StartStream(int status, Headers headers);
  bool Write(std::string data);
  void End();
  void Abort();
  void Abandon();
  void OnClose(std::function<void()> callback);
  void OnPause(std::function<void()> callback);
  void OnResume(std::function<void()> callback);
  void RunAfter(std::chrono::milliseconds delay, std::function<void()> task);
  void Post(std::function<void()> task);
  size_t buffered_bytes() const { return buffered_bytes_.load(std::memory_order_relaxed); }
  bool is_open() const;

  // For the connection; its loop.
  Mail TakeMail();
  // How many bytes it still holds, after a write.
  void SetUnsentBytes(size_t bytes);
  void NotifyPause();
  void NotifyResume();
  // The answer is complete, or will never be: nothing more comes in, callbacks are let go. Runs the
  // OnClose callback in the second case.
  enum class Outcome { kAnswered, kClientGone };
  void Finish(Outcome outcome);

 private:
  enum class State { kOpen, kStreaming, kEnded, kClosed };
  using Callback = std::function<void()>;

  bool IsLive() const { return state_ == State::kOpen || state_ == State::kStreaming; }
  // Unlocks, and asks the loop to come for the mail unless it is on its way.
  void Announce(std::unique_lock<std::mutex> lock);
  void RunCallback(const std::shared_ptr<Callback>& callback);

  const std::shared_ptr<EventLoop> loop_;  // shared: a writer may outlive the server
  std::shared_ptr<ExchangeHost> host_;     // loop only; null once finished
  const size_t output_bytes_max_;

  mutable std::mutex mutex_;
  State state_ = State::kOpen;  // guarded, as all down to announced_
  Mail mail_;
  std::shared_ptr<Callback> on_close_;
  std::shared_ptr<Callback> on_pause_;
  std::shared_ptr<Callback> on_resume_;
  size_t mail_bytes_ = 0;
  size_t unsent_bytes_ = 0;
  bool paused_ = false;
  bool announced_ = false;

  std::atomic<size_t> buffered_bytes_{0};
  std::vector<EventLoop::TimerId> timers_;  // loop only
};

// What a handler holds. The last reference to it gone means that nobody will answer any more.
std::shared_ptr<ResponseWriter> MakeResponseWriter(std::shared_ptr<Exchange> exchange);

}  // namespace infe::http
