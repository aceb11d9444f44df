// One I/O thread: an edge-triggered epoll set, timers, and tasks posted by other threads.
// Everything but Post belongs to the loop's own thread.
//
// A sink registered here is owned here: Release keeps it alive until the current round of events is
// over, since a later event of the same round may still name it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "http/socket.h"

namespace infe::http {

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnEvents(uint32_t epoll_events) = 0;
  enum class Closing { kIdle, kEverything };
  // The server shuts down: let go what is idle, or everything.
  virtual void OnShutdown(Closing what) = 0;
};

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;
  using TimerId = std::pair<Clock::time_point, uint64_t>;

  static Result<std::shared_ptr<EventLoop>> Create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Any thread. False after Stop: the task is dropped.
  bool Post(Task task);
  // Any thread: Run returns after the tasks posted so far.
  void Stop();

  // Runs until Stop, on the thread that is the loop's from then on.
  void Run();
  // How long the round of events that is being handled has taken; zero while the loop waits. A
  // round is over in well under a second, or every connection of the loop stands still. Any thread.
  Clock::duration RoundTime(Clock::time_point now) const;
  bool IsLoopThread() const { return thread_.load() == std::this_thread::get_id(); }

  // Registers a descriptor for reading, writing and hang-up edges (or only for reading, level
  // triggered, for a listening socket).
  enum class Watch { kStreamEdges, kListening };
  Result<void> Adopt(int fd, std::shared_ptr<EventSink> sink, Watch watch);
  void Release(int fd, EventSink* sink);
  void ShutdownSinks(EventSink::Closing what);

  TimerId RunAt(Clock::time_point when, Task task);
  void Cancel(TimerId id) { timers_.erase(id); }

  // Where reads land before they are parsed: one for all connections of the loop.
  std::span<char> read_buffer() { return read_buffer_; }
  // "Sun, 06 Nov 1994 08:49:37 GMT", made anew at most once a second.
  const std::string& http_date();

 private:
  EventLoop(UniqueFd epoll, UniqueFd wake);
  void RunTasks();
  void RunTimers();
  int WaitMs();

  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<std::thread::id> thread_{};
  std::atomic<Clock::time_point> round_start_{Clock::time_point::max()};  // max: it waits
  std::vector<char> read_buffer_;

  std::mutex mutex_;
  std::vector<Task> posted_;  // guarded by mutex_
  bool sleeping_ = false;     // guarded by mutex_: a Post must write to wake_
  bool stopping_ = false;     // guarded by mutex_

  std::vector<Task> running_;  // posted_ of this round
  std::map<TimerId, Task> timers_;
  uint64_t timer_count_ = 0;
  std::unordered_map<EventSink*, std::shared_ptr<EventSink>> sinks_;
  std::vector<std::shared_ptr<EventSink>> released_;
  std::string date_;
  time_t date_second_ = 0;
};

}  // namespace infe::http
