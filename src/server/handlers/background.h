// Answers that go on without their client (`background: true`). Such a request is an exchange of
// its own with nobody on the line: it goes through the same stages, limits, ledger and metrics as
// every other, on a loop that all of them share. Until it runs, what refuses it is told to the
// client who sent it; from then on its events are kept in memory for whoever asks to follow them.
//
//   pending --Accept--> running --> ended, followed for a while
//      |                   +------> cancelled
//      +--> refused (the client was told)
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "http/event_loop.h"
#include "http/response_writer.h"
#include "server/door/reply.h"
#include "server/endpoint.h"

namespace infe::server {

// One of them, and the writer that its stages answer to. Thread-safe.
class BackgroundAnswer : public http::ResponseWriter,
                         public std::enable_shared_from_this<BackgroundAnswer> {
 public:
  // What of the events is kept for followers.
  enum class Log { kNone, kEvents };
  // So much of one answer; more is not kept, and then it cannot be followed from its beginning.
  static constexpr size_t kLogBytesMax = size_t{16} << 20;

  // client: who hears what refuses it. ended: once, on the loop, with the status.
  BackgroundAnswer(std::shared_ptr<http::EventLoop> loop, std::shared_ptr<ResponseWriter> client,
                   Log log);

  // It runs, and no refusal is told to the client any more. on_cancel: on the loop, should it be
  // cancelled.
  void Accept(std::function<void()> on_cancel);
  // Runs on the loop, once, when it has ended.
  void OnEnd(std::function<void(int status, bool cancelled)> callback);
  // Ends it if it runs; then, on the loop, done. An answer that has ended stays what it is.
  void Cancel(std::function<void()> done);
  // Sends the events behind number `after` (-1: all) and those that come; false: they are not kept.
  bool Follow(const std::shared_ptr<ResponseWriter>& follower, http::Headers headers,
              int64_t after);
  bool has_ended() const;
  std::chrono::steady_clock::time_point ended_at() const;
  size_t log_bytes() const;

  void Send(http::HttpResponse response) override;
  void StartStream(int status, http::Headers headers) override;
  bool Write(std::string data) override;
  void End() override;
  void Abort() override { End(); }
  void OnClose(std::function<void()> callback) override;
  void OnPause(std::function<void()>) override {}  // nobody reads too slowly
  void OnResume(std::function<void()>) override {}
  size_t buffered_bytes() const override { return 0; }
  bool is_open() const override { return !has_ended(); }
  void Post(std::function<void()> task) override { loop_->Post(std::move(task)); }
  void RunAfter(std::chrono::milliseconds delay, std::function<void()> task) override;

 private:
  friend class Background;
  // On the loop.
  void Finish(int status, bool cancelled);

  const std::shared_ptr<http::EventLoop> loop_;
  const Log log_;
  std::vector<http::EventLoop::TimerId> timers_;  // the loop's thread alone
  mutable std::mutex mutex_;
  // Guarded by mutex_, as is the rest.
  std::shared_ptr<ResponseWriter> client_;  // until it was accepted or refused
  bool ended_ = false;
  bool overflowed_ = false;  // more events than are kept
  std::chrono::steady_clock::time_point ended_at_;
  std::vector<std::string> events_;  // by their number
  size_t event_bytes_ = 0;
  std::vector<std::shared_ptr<ResponseWriter>> followers_;
  std::function<void()> on_close_, on_cancel_;
  std::function<void(int, bool)> on_end_;
};

// All of them, and their loop.
class Background {
 public:
  // How long an answer may be followed after its end, and how many bytes of ended ones are kept:
  // for clients that lost their connection and come back.
  static constexpr std::chrono::minutes kFollowFor{10};
  static constexpr size_t kLogBytesMax = size_t{64} << 20;

  Background();
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Ends all that there are. Nobody may start another.
  void Stop();
  // A new one for `client`'s request; then, on the loop, begin(its own reply).
  void Start(const Reply& client, LiveRequests& live, BackgroundAnswer::Log log,
             std::function<void(const std::shared_ptr<BackgroundAnswer>&, const Reply&)> begin);
  void Add(const std::string& project, const std::string& id,
           const std::shared_ptr<BackgroundAnswer>& answer);
  std::shared_ptr<BackgroundAnswer> Find(const std::string& project, const std::string& id);

 private:
  void SweepLocked();

  std::shared_ptr<http::EventLoop> loop_;
  std::mutex mutex_;
  // Guarded by mutex_: by project and id.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<BackgroundAnswer>> answers_;
  std::vector<std::weak_ptr<BackgroundAnswer>> live_;
  std::thread thread_;  // last
};

}  // namespace infe::server
