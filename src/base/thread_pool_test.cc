#include "base/thread_pool.h"

#include <chrono>

#include <gtest/gtest.h>
#include <sched.h>

#include "base/cores.h"

namespace infe {
namespace {

TEST(ThreadPool, BarrierSeparatesPhases) {
  for (uint32_t threads : {1u, 2u, 4u}) {
    ThreadPool pool(threads);
    for (int run = 0; run < 200; ++run) {
      std::atomic<uint32_t> phase1{0};
      std::atomic<bool> early{false};
      pool.Run([&](Worker& worker) {
        phase1.fetch_add(1);
        worker.Barrier();
        if (phase1.load() != threads) early.store(true);
        worker.Barrier();
      });
      EXPECT_FALSE(early.load());
      EXPECT_EQ(phase1.load(), threads);
    }
  }
}

TEST(ThreadPool, RunsOfManyCallersDoNotOverlap) {
  ThreadPool pool(2);
  std::atomic<int> inside{0};
  std::atomic<bool> overlap{false};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 100; ++i)
        pool.Run([&](Worker& worker) {
          if (worker.index() == 0 && inside.fetch_add(1) != 0) overlap.store(true);
          worker.Barrier();
          if (worker.index() == 0) inside.fetch_sub(1);
        });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_FALSE(overlap.load());
}

TEST(ThreadPool, MembersStayOnCpusOfTheirOwnWhenTheyAreAsMany) {
  const std::vector<int> cpus = AllowedCpus();
  if (cpus.size() < 2) GTEST_SKIP() << "one CPU";
  const auto size = static_cast<uint32_t>(cpus.size());
  // In a thread of its own, so that this one may run anywhere afterwards.
  std::thread([&] {
    ThreadPool pool(size);
    ASSERT_TRUE(pool.on_own_cpus());
    pool.KeepCaller();
    std::vector<int> seen(size);
    pool.Run([&](Worker& worker) { seen[worker.index()] = sched_getcpu(); });
    EXPECT_EQ(seen, cpus);
  }).join();
  EXPECT_EQ(AllowedCpus(), cpus);
  EXPECT_FALSE(ThreadPool(size + 1).on_own_cpus());
  EXPECT_FALSE(ThreadPool(1).on_own_cpus());
  EXPECT_FALSE(ThreadPool(size, ThreadPool::Placement::kAnywhere).on_own_cpus());
}

TEST(ThreadPool, WakesAfterSleep) {
  ThreadPool pool(3);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<uint32_t> ran{0};
    pool.Run([&](Worker&) { ran.fetch_add(1); });
    EXPECT_EQ(ran.load(), 3u);
  }
}

}  // namespace
}  // namespace infe
