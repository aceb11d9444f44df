// A few threads for what must not run on an I/O thread: parsing, rendering, tokenising, compiling
// grammars. The queue is bounded; a full one is refused at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace infe::server {

class TaskPool {
 public:
  // kShort: its tasks take microseconds and somebody waits for each (base/short_turns.h).
  enum class Turns { kShort, kOrdinary };
  TaskPool(uint32_t threads, size_t queue_max, Turns turns = Turns::kOrdinary);
  ~TaskPool();  // Stop
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  // False when the queue is full. The task must not throw.
  bool Submit(std::function<void()> task);
  // Runs what is queued, then joins; nothing is taken any more.
  void Stop();

 private:
  void Loop();
  const size_t queue_max_;
  const Turns turns_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace infe::server
