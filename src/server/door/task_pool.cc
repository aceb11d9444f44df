#include "server/door/task_pool.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

#include "base/short_turns.h"

namespace infe::server {
namespace {

constexpr size_t kKeysWorthOfBytes = 4;  // all keys together, as the header says

}  // namespace

TaskPool::TaskPool(const Options& options) : options_(options), workers_(options.threads) {
  for (size_t i = 0; i < options.threads; ++i) threads_.emplace_back([this, i] { Loop(i); });
}

TaskPool::~TaskPool() {
  Stop();
}

void TaskPool::Stop() {
  Keys dropped;  // destroyed outside the lock: what tasks hold may be anything
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    turns_.clear();
    for (auto& [key, queue] : keys_) dropped[key].entries = std::exchange(queue.entries, {});
    queued_ = bytes_ = 0;
  }
  ready_.notify_all();
  dropped.clear();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

TaskPool::Refusal TaskPool::Check(const KeyQueue& queue, size_t bytes) const {
  if (queue.entries.size() >= options_.queued_per_key_max ||
      (!queue.entries.empty() && queue.bytes + bytes > options_.bytes_per_key_max))
    return Refusal::kKeyFull;
  if (queued_ >= options_.queued_max ||
      (queued_ > 0 && bytes_ + bytes > kKeysWorthOfBytes * options_.bytes_per_key_max))
    return Refusal::kPoolFull;
  return Refusal::kNone;
}

TaskPool::Submitted TaskPool::Submit(Task task) {
  std::vector<Task> dropped;
  const std::lock_guard lock(mutex_);
  if (stopping_) return {Refusal::kStopping, 0};
  const std::string key = task.key;
  KeyQueue& queue = keys_[key];
  Refusal refusal = Check(queue, task.bytes);
  if (refusal != Refusal::kNone) {
    // Only the living count.
    for (auto& [name, other] : keys_)
      if (refusal == Refusal::kPoolFull || &other == &queue) DropUnwanted(other, dropped);
    refusal = Check(queue, task.bytes);
  }
  if (refusal != Refusal::kNone) {
    Forget(key);
    return {refusal, 0};
  }
  queued_ += 1;
  bytes_ += task.bytes;
  queue.bytes += task.bytes;
  queue.entries.push_back({++last_ticket_, std::move(task)});
  if (!std::exchange(queue.in_turn, true)) turns_.push_back(key);
  ready_.notify_one();
  return {Refusal::kNone, last_ticket_};
}

void TaskPool::DropUnwanted(KeyQueue& queue, std::vector<Task>& dropped) {
  std::deque<Entry> wanted;
  for (Entry& entry : queue.entries) {
    if (entry.task.dropped == nullptr || !entry.task.dropped->load(std::memory_order_relaxed)) {
      wanted.push_back(std::move(entry));
      continue;
    }
    queued_ -= 1;
    bytes_ -= entry.task.bytes;
    queue.bytes -= entry.task.bytes;
    dropped.push_back(std::move(entry.task));
  }
  queue.entries = std::move(wanted);
}

void TaskPool::Forget(const std::string& key) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  const KeyQueue& queue = found->second;
  if (queue.entries.empty() && queue.running == 0 && !queue.in_turn) keys_.erase(found);
}

TaskPool::Withdrawal TaskPool::Withdraw(const std::string& key, Ticket ticket) {
  std::optional<Task> withdrawn;
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(key);
  if (found == keys_.end()) return Withdrawal::kTooLate;
  KeyQueue& queue = found->second;
  const auto entry = std::find_if(queue.entries.begin(), queue.entries.end(),
                                  [&](const Entry& e) { return e.ticket == ticket; });
  if (entry == queue.entries.end()) return Withdrawal::kTooLate;
  const bool behind_own = queue.running > 0 || entry != queue.entries.begin();
  queued_ -= 1;
  bytes_ -= entry->task.bytes;
  queue.bytes -= entry->task.bytes;
  withdrawn = std::move(entry->task);
  queue.entries.erase(entry);
  return behind_own ? Withdrawal::kBehindOwn : Withdrawal::kBehindOthers;
}

std::vector<TaskPool::Running> TaskPool::running() const {
  const std::lock_guard lock(mutex_);
  std::vector<Running> tasks;
  for (const Worker& worker : workers_)
    if (worker.busy) tasks.push_back(worker.task);
  return tasks;
}

size_t TaskPool::queued() const {
  const std::lock_guard lock(mutex_);
  return queued_;
}

// At most as many keys as there are threads can be at their bound, so few are passed over.
bool TaskPool::Take(Task& task) {
  for (auto turn = turns_.begin(); turn != turns_.end();) {
    const std::string key = *turn;
    KeyQueue& queue = keys_[key];
    if (queue.entries.empty()) {
      turn = turns_.erase(turn);
      queue.in_turn = false;
      Forget(key);
      continue;
    }
    if (queue.running >= options_.running_per_key_max) {
      ++turn;
      continue;
    }
    task = std::move(queue.entries.front().task);
    queue.entries.pop_front();
    queued_ -= 1;
    bytes_ -= task.bytes;
    queue.bytes -= task.bytes;
    queue.running += 1;
    turns_.splice(turns_.end(), turns_, turn);
    return true;
  }
  return false;
}

void TaskPool::Loop(size_t worker) {
  if (options_.turns == Turns::kShort) AskForShortTurns();
  // Of this thread alone, on Linux.
  if (options_.nice != 0)
    (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), options_.nice);
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopping_ || Take(task); });
      if (!task.run) return;
      workers_[worker] = {true, {task.kind, task.request_id, Clock::now()}};
    }
    const std::string key = task.key;
    task.run();
    task = {};  // before it counts as done: what it holds may be large
    const std::lock_guard lock(mutex_);
    workers_[worker].busy = false;
    keys_[key].running -= 1;
    Forget(key);
  }
}

}  // namespace infe::server
