#include "cli/stop_plan.h"

#include <gtest/gtest.h>

namespace infe::cli {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Phase = StopPlan::Phase;
using Step = StopPlan::Step;
const StopPlan::Clock::time_point kStart{seconds(1000)};

TEST(StopPlan, OneSignalDrainsForAsLongAsTheDrainTakes) {
  StopPlan plan;
  plan.Enter(Phase::kServing, kStart);
  EXPECT_EQ(plan.Next(kStart + hours(1)), Step::kWait);
  plan.OnSignal(kStart);
  EXPECT_EQ(plan.Next(kStart + hours(1)), Step::kWait);
}

TEST(StopPlan, ASecondSignalHurriesAndEndsTheProcessWithinFiveSeconds) {
  StopPlan plan;
  plan.Enter(Phase::kServing, kStart);
  plan.OnSignal(kStart);
  plan.OnSignal(kStart + seconds(10));
  EXPECT_EQ(plan.Next(kStart + seconds(10)), Step::kHurry);
  EXPECT_EQ(plan.Next(kStart + seconds(10) + StopPlan::kHurried - milliseconds(1)), Step::kHurry);
  EXPECT_EQ(plan.Next(kStart + seconds(15)), Step::kEnd);
  // Also when closing begins in between: it has no time of its own then.
  plan.Enter(Phase::kClosing, kStart + seconds(13));
  EXPECT_EQ(plan.Next(kStart + seconds(15)), Step::kEnd);
}

TEST(StopPlan, AThirdSignalEndsItNow) {
  StopPlan plan;
  plan.Enter(Phase::kServing, kStart);
  for (int i = 0; i < 3; ++i) plan.OnSignal(kStart);
  EXPECT_EQ(plan.Next(kStart), Step::kEnd);
}

TEST(StopPlan, WhatOnlyLoadsEndsAtTheFirstSignal) {
  StopPlan plan;
  plan.OnSignal(kStart);
  EXPECT_EQ(plan.Next(kStart), Step::kWait);
  EXPECT_EQ(plan.Next(kStart + seconds(5)), Step::kEnd);
}

TEST(StopPlan, AnOrderlyStopThatDoesNotComeToItsEndIsEnded) {
  StopPlan plan;
  plan.Enter(Phase::kServing, kStart);
  plan.OnSignal(kStart);
  plan.Enter(Phase::kClosing, kStart + seconds(60));
  EXPECT_EQ(plan.Next(kStart + seconds(60) + StopPlan::kClosing - seconds(1)), Step::kWait);
  EXPECT_EQ(plan.Next(kStart + seconds(60) + StopPlan::kClosing), Step::kEnd);
}

}  // namespace
}  // namespace infe::cli
