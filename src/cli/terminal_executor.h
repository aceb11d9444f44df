// The executor of a command that asks a model in its own process.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "answer/backend.h"

namespace infe::cli {

// What the engine's thread reports, run by the terminal's thread while it waits.
class TerminalExecutor : public answer::Executor {
 public:
  void Post(std::function<void()> task) override {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    ready_.notify_one();
  }
  // Drops what was not run.
  void Clear() {
    std::deque<std::function<void()>> dropped;  // destroyed outside the lock
    const std::lock_guard lock(mutex_);
    dropped.swap(tasks_);
  }
  // Runs the next task, or returns after `limit` without one.
  void RunOne(std::chrono::milliseconds limit) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      if (!ready_.wait_for(lock, limit, [this] { return !tasks_.empty(); })) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
};

}  // namespace infe::cli
