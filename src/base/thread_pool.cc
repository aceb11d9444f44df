#include "base/thread_pool.h"

#include <chrono>

#include "base/check.h"
#include "base/cores.h"

namespace infe {
namespace {

// About 40 microseconds of pauses on current x86 (a pause is 10-140 cycles): longer than the gap
// between two phases or two decode steps, shorter than anything a person or a scheduler notices.
constexpr auto kSpinTime = std::chrono::microseconds(40);

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Waits until value differs from old: spins first, then sleeps in the kernel.
template <typename OnSleep>
void AwaitChange(std::atomic<uint32_t>& value, uint32_t old, OnSleep around_sleep) {
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  for (;;) {
    for (int i = 0; i < 64; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      Pause();
    }
    if (std::chrono::steady_clock::now() >= deadline) break;
  }
  around_sleep([&] { value.wait(old, std::memory_order_acquire); });
}

std::vector<int> CpusFor(uint32_t threads, ThreadPool::Placement placement) {
  if (threads == 1 || placement == ThreadPool::Placement::kAnywhere) return {};
  std::vector<int> cpus = AllowedCpus();
  // Fewer members than CPUs: another process's members could be on the very same ones. More: the
  // scheduler shares them out better.
  if (cpus.size() != threads) cpus.clear();
  return cpus;
}

}  // namespace

void Worker::Barrier() {
  if (count_ > 1) pool_->Arrive();
}

ThreadPool::ThreadPool(uint32_t threads, Placement placement)
    : size_(threads), cpus_(CpusFor(threads, placement)) {
  INFE_CHECK(threads >= 1);
  for (uint32_t i = 1; i < threads; ++i) members_.emplace_back([this, i] { MemberLoop(i); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& member : members_) member.join();
}

void ThreadPool::KeepCaller() const {
  if (on_own_cpus()) StayOnCpu(cpus_[0]);
}

void ThreadPool::Run(const std::function<void(Worker&)>& body) {
  const uint32_t ticket = next_ticket_.fetch_add(1);
  for (uint32_t now = now_serving_.load(); now != ticket; now = now_serving_.load())
    now_serving_.wait(now);

  body_ = &body;
  if (size_ > 1) {
    generation_.fetch_add(1, std::memory_order_seq_cst);
    // The system call is skipped while every member still spins.
    if (sleepers_.load(std::memory_order_seq_cst) != 0) generation_.notify_all();
  }
  Worker self(this, 0, size_);
  body(self);
  if (size_ > 1) Arrive();
  body_ = nullptr;

  now_serving_.fetch_add(1);
  now_serving_.notify_all();
}

void ThreadPool::MemberLoop(uint32_t index) {
  if (on_own_cpus()) StayOnCpu(cpus_[index]);
  uint32_t seen = 0;
  for (;;) {
    AwaitChange(generation_, seen, [&](auto sleep) {
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      sleep();
      sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    });
    ++seen;  // exactly one: the caller of Run waits for every member before the next run
    if (stopping_.load()) return;
    Worker self(this, index, size_);
    (*body_)(self);
    Arrive();
  }
}

void ThreadPool::Arrive() {
  const uint32_t generation = barrier_generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    barrier_generation_.fetch_add(1, std::memory_order_release);
    barrier_generation_.notify_all();
    return;
  }
  AwaitChange(barrier_generation_, generation, [](auto sleep) { sleep(); });
}

}  // namespace infe
