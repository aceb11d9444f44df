// A few threads for what must not run on an I/O thread, fair between those who ask: keys take
// turns, so one key's hundred tasks stand behind each other and not in front of everybody else's
// one. What one key may have queued and running at once is bounded, and so is the whole; what is
// over a bound is refused at once, and the refusal says whose bound it was.
//
//   Submit --> queued, by key --turn--> running --> done
//                 |  its flag is set: dropped where it is in the way; else it begins, and looks
//                 |  Withdraw: taken back
//                 +  the pool stops: dropped
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace infe::server {

class TaskPool {
 public:
  using Clock = std::chrono::steady_clock;
  // kShort: its tasks take microseconds and somebody waits for each (base/short_turns.h).
  enum class Turns { kShort, kOrdinary };
  struct Options {
    const char* name = "";  // for logs and metrics
    uint32_t threads = 1;
    uint32_t running_per_key_max = 1;
    size_t queued_max = 1024;
    size_t queued_per_key_max = 512;
    // Of Task::bytes, queued: of one key; all together may have four times as much.
    size_t bytes_per_key_max = SIZE_MAX / 4;
    Turns turns = Turns::kOrdinary;
    // Of its threads, nice(2): long tasks yield the processor to whoever computes or answers.
    int nice = 0;
  };
  using Flag = std::shared_ptr<const std::atomic<bool>>;
  struct Task {
    std::string key;                 // whose turn it is
    const char* kind = "";           // for whoever looks at a task that hangs; a literal
    std::string request_id;          // the same
    size_t bytes = 0;                // what it keeps in memory while it waits
    Flag dropped = {};               // set: nobody wants it any more; it may go unseen. May be null
    std::function<void()> run = {};  // must not throw
  };

  explicit TaskPool(const Options& options);
  ~TaskPool();  // Stop
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  enum class Refusal {
    kNone,
    kKeyFull,   // this key's own bound
    kPoolFull,  // everybody's
    kStopping,
  };
  using Ticket = uint64_t;
  struct Submitted {
    Refusal refusal = Refusal::kNone;
    Ticket ticket = 0;  // for Withdraw
  };
  Submitted Submit(Task task);

  enum class Withdrawal {
    kTooLate,       // it has begun, or is over
    kBehindOwn,     // taken back; others of its key ran or stood before it
    kBehindOthers,  // taken back; it was only waiting for a thread
  };
  Withdrawal Withdraw(const std::string& key, Ticket ticket);

  // One running task.
  struct Running {
    const char* kind = "";
    std::string request_id;
    Clock::time_point since;
  };
  std::vector<Running> running() const;
  size_t queued() const;
  const char* name() const { return options_.name; }

  // What is queued is dropped, what runs is waited for; nothing is taken any more.
  void Stop();

 private:
  struct Entry {
    Ticket ticket = 0;
    Task task;
  };
  struct KeyQueue {
    std::deque<Entry> entries;
    size_t bytes = 0;
    uint32_t running = 0;
    bool in_turn = false;
  };
  using Keys = std::unordered_map<std::string, KeyQueue>;
  struct Worker {
    bool busy = false;
    Running task;
  };

  void Loop(size_t worker);
  // Under mutex_, all of them.
  bool Take(Task& task);  // the next task; false: nothing may run now
  void DropUnwanted(KeyQueue& queue, std::vector<Task>& dropped);
  void Forget(const std::string& key);  // unless something of it is queued or runs
  Refusal Check(const KeyQueue& queue, size_t bytes) const;

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  Keys keys_;                     // guarded by mutex_, as is all that follows
  std::list<std::string> turns_;  // keys that have something queued, next one first
  size_t queued_ = 0, bytes_ = 0;
  Ticket last_ticket_ = 0;
  bool stopping_ = false;
  std::vector<Worker> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace infe::server
