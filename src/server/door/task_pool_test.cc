#include "server/door/task_pool.h"

#include <semaphore>

#include <gtest/gtest.h>

namespace infe::server {
namespace {

using Refusal = TaskPool::Refusal;
constexpr std::chrono::seconds kPatience{20};

// A task that runs until it is let go.
class Gate {
 public:
  std::function<void()> Task() {
    return [this] {
      begun_.release();
      (void)open_.try_acquire_for(kPatience);
    };
  }
  bool HasBegun() { return begun_.try_acquire_for(kPatience); }
  void Open(int tasks = 1) { open_.release(tasks); }

 private:
  std::counting_semaphore<> begun_{0}, open_{0};
};

TaskPool::Task Of(const std::string& key, std::function<void()> run) {
  return {.key = key, .kind = "test", .request_id = "req_" + key, .run = std::move(run)};
}

// What ran, in order.
class Trace {
 public:
  TaskPool::Task Note(const std::string& key, const std::string& name) {
    return Of(key, [this, name] {
      const std::lock_guard lock(mutex_);
      names_ += name;
      done_.release();
    });
  }
  std::string After(int tasks) {
    for (int i = 0; i < tasks; ++i) EXPECT_TRUE(done_.try_acquire_for(kPatience));
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  std::mutex mutex_;
  std::string names_;
  std::counting_semaphore<> done_{0};
};

TEST(TaskPool, KeysTakeTurnsHoweverManyTasksOneOfThemHas) {
  TaskPool pool({.name = "p", .threads = 1, .running_per_key_max = 1});
  Gate gate;
  Trace trace;
  pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  for (int i = 0; i < 5; ++i) pool.Submit(trace.Note("a", "a"));
  pool.Submit(trace.Note("b", "b"));
  pool.Submit(trace.Note("c", "c"));
  gate.Open();
  // "a" had its turn; then each key has one in each round.
  const std::string order = trace.After(7);
  EXPECT_LT(order.find('b'), 3u) << order;
  EXPECT_LT(order.find('c'), 3u) << order;
}

TEST(TaskPool, OneKeyNeverHasAllThreads) {
  TaskPool pool({.name = "p", .threads = 2, .running_per_key_max = 1});
  Gate gate;
  Trace trace;
  for (int i = 0; i < 8; ++i) pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  pool.Submit(trace.Note("b", "b"));
  EXPECT_EQ(trace.After(1), "b") << "while every task of the other key still waits or runs";
  // The task has left its trace, its thread may still be on the way out of it.
  const auto late = std::chrono::steady_clock::now() + kPatience;
  while (pool.running().size() > 1 && std::chrono::steady_clock::now() < late)
    std::this_thread::yield();
  EXPECT_EQ(pool.running().size(), 1u);
  EXPECT_EQ(pool.queued(), 7u);
  gate.Open(8);
}

TEST(TaskPool, AKeyOverItsBoundIsRefusedAndTheOthersAreNot) {
  TaskPool pool({.name = "p", .threads = 1, .queued_max = 4, .queued_per_key_max = 2});
  Gate gate;
  pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  const auto nothing = [] {};
  EXPECT_EQ(pool.Submit(Of("a", nothing)).refusal, Refusal::kNone);
  EXPECT_EQ(pool.Submit(Of("a", nothing)).refusal, Refusal::kNone);
  EXPECT_EQ(pool.Submit(Of("a", nothing)).refusal, Refusal::kKeyFull);
  EXPECT_EQ(pool.Submit(Of("b", nothing)).refusal, Refusal::kNone);
  EXPECT_EQ(pool.Submit(Of("c", nothing)).refusal, Refusal::kNone);
  EXPECT_EQ(pool.Submit(Of("d", nothing)).refusal, Refusal::kPoolFull);
  gate.Open();
}

TEST(TaskPool, WhatWaitsIsBoundedInBytesToo) {
  TaskPool pool({.name = "p", .threads = 1, .bytes_per_key_max = 100});
  Gate gate;
  pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  const auto with_bytes = [&](const std::string& key, size_t bytes) {
    TaskPool::Task task = Of(key, [] {});
    task.bytes = bytes;
    return pool.Submit(std::move(task)).refusal;
  };
  EXPECT_EQ(with_bytes("a", 60), Refusal::kNone);
  EXPECT_EQ(with_bytes("a", 60), Refusal::kKeyFull);
  EXPECT_EQ(with_bytes("a", 40), Refusal::kNone);
  // One that is larger than all bounds may wait alone.
  EXPECT_EQ(with_bytes("b", 300), Refusal::kNone);
  EXPECT_EQ(with_bytes("c", 1), Refusal::kPoolFull);
  gate.Open();
}

TEST(TaskPool, TasksOfClientsThatLeftMakeRoom) {
  TaskPool pool({.name = "p", .threads = 1, .queued_per_key_max = 2});
  Gate gate;
  pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  const auto left = std::make_shared<std::atomic<bool>>(false);
  std::atomic<int> ran{0};
  for (int i = 0; i < 2; ++i) {
    TaskPool::Task task = Of("a", [&] { ran += 1; });
    task.dropped = left;
    pool.Submit(std::move(task));
  }
  EXPECT_EQ(pool.Submit(Of("a", [] {})).refusal, Refusal::kKeyFull);
  left->store(true);
  Trace trace;
  EXPECT_EQ(pool.Submit(trace.Note("a", "x")).refusal, Refusal::kNone);
  EXPECT_EQ(pool.queued(), 1u);
  gate.Open();
  EXPECT_EQ(trace.After(1), "x");
  EXPECT_EQ(ran, 0);
}

TEST(TaskPool, AWithdrawnTaskDoesNotRunAndWhomItWaitedForIsKnown) {
  TaskPool pool({.name = "p", .threads = 1, .running_per_key_max = 1});
  Gate gate;
  pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  std::atomic<int> ran{0};
  const auto run = [&] { ran += 1; };
  const auto own = pool.Submit(Of("a", run));
  const auto other = pool.Submit(Of("b", run));
  EXPECT_EQ(pool.Withdraw("a", own.ticket), TaskPool::Withdrawal::kBehindOwn);
  EXPECT_EQ(pool.Withdraw("b", other.ticket), TaskPool::Withdrawal::kBehindOthers);
  EXPECT_EQ(pool.Withdraw("b", other.ticket), TaskPool::Withdrawal::kTooLate);
  EXPECT_EQ(pool.queued(), 0u);
  Trace trace;
  pool.Submit(trace.Note("b", "b"));
  gate.Open();
  EXPECT_EQ(trace.After(1), "b");
  EXPECT_EQ(ran, 0);
}

TEST(TaskPool, TellsWhatRunsForWhomAndSinceWhen) {
  TaskPool pool({.name = "p", .threads = 1});
  Gate gate;
  const auto before = TaskPool::Clock::now();
  pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  const auto running = pool.running();
  ASSERT_EQ(running.size(), 1u);
  EXPECT_STREQ(running[0].kind, "test");
  EXPECT_EQ(running[0].request_id, "req_a");
  EXPECT_GE(running[0].since, before);
  gate.Open();
}

TEST(TaskPool, AStoppedPoolDropsWhatIsQueuedAndTakesNothing) {
  std::atomic<int> ran{0};
  TaskPool pool({.name = "p", .threads = 1});
  Gate gate;
  pool.Submit(Of("a", gate.Task()));
  ASSERT_TRUE(gate.HasBegun());
  for (int i = 0; i < 3; ++i) pool.Submit(Of("a", [&] { ran += 1; }));
  std::thread stopper([&] { pool.Stop(); });
  while (pool.queued() > 0) std::this_thread::yield();
  gate.Open();
  stopper.join();
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(pool.Submit(Of("a", [] {})).refusal, Refusal::kStopping);
}

}  // namespace
}  // namespace infe::server
