// Compute workers for the engine: a fixed team that runs one body on all of its members at once,
// with barriers inside the body. Between runs the members spin for a few tens of microseconds (a
// decode step follows the last one closely) and then sleep in the kernel, so an idle server uses
// no CPU. No OpenMP: see docs/threads.md.
//
// A team with a member for every CPU that the process may use keeps each member on one: left to
// the scheduler, a thread that wakes for a moment pushes one member onto another's CPU, where both
// take turns while a CPU stands idle (a quarter of the work under a flood of refusals).
//
// Several engines may share one pool: Run is exclusive and first come, first served.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace infe {

class ThreadPool;

// One member's view of a run. Passed to the body; lives as long as the body runs.
class Worker {
 public:
  uint32_t index() const { return index_; }
  uint32_t count() const { return count_; }
  // Every member of the run must come here the same number of times.
  void Barrier();

 private:
  friend class ThreadPool;
  Worker(ThreadPool* pool, uint32_t index, uint32_t count)
      : pool_(pool), index_(index), count_(count) {}
  ThreadPool* pool_;
  uint32_t index_;
  uint32_t count_;
};

// A shared counter from which members take chunks of work: the dynamic tail of a phase. Reset it
// before the barrier that precedes its use.
struct alignas(64) WorkCursor {
  std::atomic<uint32_t> next{0};
  uint32_t Take(uint32_t chunk) { return next.fetch_add(chunk, std::memory_order_relaxed); }
  void Reset() { next.store(0, std::memory_order_relaxed); }
};

class ThreadPool {
 public:
  enum class Placement {
    kOwnCpus,   // each member on a CPU of its own, if there are exactly as many as members
    kAnywhere,  // wherever the scheduler likes
  };

  // threads >= 1, the caller of Run included: threads - 1 are started here.
  explicit ThreadPool(uint32_t threads, Placement placement = Placement::kOwnCpus);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t size() const { return size_; }
  bool on_own_cpus() const { return !cpus_.empty(); }

  // For a thread that is there to call Run, an engine's say: it stays on member 0's CPU, and so do
  // threads that it starts. Nothing where members may run anywhere.
  void KeepCaller() const;

  // Runs body on every member (the calling thread is member 0) and returns when all have finished.
  // The body must not throw. Callable from any thread, not from inside a body.
  void Run(const std::function<void(Worker&)>& body);

 private:
  friend class Worker;
  void MemberLoop(uint32_t index);
  void Arrive();

  const uint32_t size_;
  const std::vector<int> cpus_;  // of each member; empty: anywhere
  // Tickets serve callers of Run in order.
  std::atomic<uint32_t> next_ticket_{0};
  std::atomic<uint32_t> now_serving_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};  // odd/even does not matter: a change is a run
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> barrier_generation_{0};
  std::atomic<uint32_t> sleepers_{0};  // members asleep on generation_
  const std::function<void(Worker&)>* body_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> members_;
};

}  // namespace infe
