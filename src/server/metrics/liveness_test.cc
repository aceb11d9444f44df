#include "server/metrics/liveness.h"

#include <semaphore>

#include <gtest/gtest.h>

namespace infe::server {
namespace {

using std::chrono::seconds;
const Liveness::Clock::time_point kStart{seconds(1000)};

TEST(Liveness, AnEngineThatTicksIsAliveHoweverSeldomItIsLookedAt) {
  Liveness liveness;
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(liveness.Observe("a", static_cast<uint64_t>(i), kStart + seconds(3600 * i)));
}

TEST(Liveness, AnEngineThatStandsStillIsGivenItsPatienceAndThenDead) {
  Liveness liveness;
  EXPECT_TRUE(liveness.Observe("a", 7, kStart));
  EXPECT_TRUE(liveness.Observe("a", 7, kStart + Liveness::kPatience - seconds(1)));
  EXPECT_FALSE(liveness.Observe("a", 7, kStart + Liveness::kPatience));
  EXPECT_TRUE(liveness.Observe("b", 7, kStart + Liveness::kPatience));
  EXPECT_TRUE(liveness.Observe("a", 8, kStart + Liveness::kPatience + seconds(1)));
}

TEST(Liveness, AThreadThatIsInOneTaskForTooLongIsNamedWithPoolKindAndRequest) {
  TaskPool pool({.name = "compiles", .threads = 2, .running_per_key_max = 2});
  std::counting_semaphore<> begun(0), open(0);
  for (int i = 0; i < 2; ++i)
    pool.Submit({.key = "k", .kind = "compile", .request_id = "req_1", .run = [&] {
                   begun.release();
                   open.acquire();
                 }});
  begun.acquire();
  begun.acquire();
  const auto now = Liveness::Clock::now();
  EXPECT_TRUE(FindStuckTasks(pool, now + Liveness::kTaskPatience - seconds(5)).empty());
  const auto stuck = FindStuckTasks(pool, now + Liveness::kTaskPatience + seconds(5));
  ASSERT_EQ(stuck.size(), 2u);
  EXPECT_EQ(stuck[0].where, "compiles");
  EXPECT_EQ(stuck[0].what, "compile of req_1");
  EXPECT_GE(stuck[0].duration, Liveness::kTaskPatience);
  open.release(2);
  pool.Stop();
  EXPECT_TRUE(FindStuckTasks(pool, now + seconds(3600)).empty());
}

TEST(Liveness, WhatIsStuckIsSaidOnceAndOnceMoreWhenItMovesAgain) {
  StuckReporter reporter;
  const Stuck one{"compiles", "compile of req_1", 7, seconds(50)};
  const Stuck other{"compiles", "compile of req_2", 8, seconds(50)};
  EXPECT_TRUE(reporter.Lines({}).empty());
  const auto first = reporter.Lines({one});
  ASSERT_EQ(first.size(), 1u);
  EXPECT_NE(first[0].find("compile of req_1"), std::string::npos) << first[0];
  EXPECT_TRUE(reporter.Lines({one}).empty());
  EXPECT_EQ(reporter.Lines({one, other}).size(), 1u);
  const auto moved = reporter.Lines({other});
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0], "stuck no more: compiles: compile of req_1");
  EXPECT_EQ(reporter.Lines({one, other}).size(), 1u);
}

}  // namespace
}  // namespace infe::server
