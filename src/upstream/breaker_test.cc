#include "upstream/breaker.h"

#include <gtest/gtest.h>

namespace infe::upstream {
namespace {

using State = Breaker::State;
using std::chrono::milliseconds;

constexpr Breaker::Time kStart{std::chrono::hours(1)};

Breaker Opened() {
  Breaker breaker;
  for (uint32_t i = 0; i < Breaker::kFailuresMax; ++i) breaker.Fail(kStart);
  return breaker;
}

TEST(Breaker, OnlyFailuresInARowOpenIt) {
  Breaker breaker;
  for (int i = 0; i < 20; ++i) {
    breaker.Fail(kStart);
    breaker.Fail(kStart);
    EXPECT_TRUE(breaker.Allows(kStart));
    breaker.Succeed();
  }
  breaker.Fail(kStart);
  breaker.Fail(kStart);
  breaker.Fail(kStart);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_FALSE(breaker.Allows(kStart));
}

TEST(Breaker, AfterItsRestOneRequestTriesAndTheOthersWait) {
  Breaker breaker = Opened();
  EXPECT_FALSE(breaker.Allows(kStart + Breaker::kFirstRest - milliseconds(1)));
  const auto later = kStart + Breaker::kFirstRest;
  ASSERT_TRUE(breaker.Allows(later));
  breaker.Begin();
  EXPECT_EQ(breaker.state(), State::kTrying);
  EXPECT_FALSE(breaker.Allows(later + std::chrono::hours(1)));
  breaker.Succeed();
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_TRUE(breaker.Allows(later));
}

TEST(Breaker, TheRestDoublesUpToItsBoundAndSuccessMakesItShortAgain) {
  Breaker breaker = Opened();
  auto now = kStart;
  milliseconds rest = Breaker::kFirstRest;
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(breaker.rest_until() - now, rest);
    now = breaker.rest_until();
    breaker.Begin();
    breaker.Fail(now);
    rest = std::min<milliseconds>(2 * rest, Breaker::kLongestRest);
  }
  EXPECT_EQ(rest, Breaker::kLongestRest);
  now = breaker.rest_until();
  breaker.Begin();
  breaker.Succeed();
  for (uint32_t i = 0; i < Breaker::kFailuresMax; ++i) breaker.Fail(now);
  EXPECT_EQ(breaker.rest_until() - now, Breaker::kFirstRest);
}

TEST(Breaker, WhatWasSentBeforeItOpenedDoesNotProlongTheRest) {
  Breaker breaker = Opened();
  const auto until = breaker.rest_until();
  for (int i = 0; i < 50; ++i) breaker.Fail(kStart + milliseconds(i));
  EXPECT_EQ(breaker.rest_until(), until);
}

TEST(Breaker, ATrialWhoseClientLeavesLeavesTheTrialToTheNext) {
  Breaker breaker = Opened();
  const auto later = breaker.rest_until();
  breaker.Begin();
  breaker.Forget();
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_TRUE(breaker.Allows(later));
}

TEST(Breaker, AClientThatLeavesSaysNothingOfAServerThatIsWell) {
  Breaker breaker;
  breaker.Fail(kStart);
  breaker.Fail(kStart);
  breaker.Forget();
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Fail(kStart);
  EXPECT_EQ(breaker.state(), State::kOpen);
}

// A long prompt's trial must not keep everybody else out until its first token.
TEST(Breaker, OneThatIsHeardIsAskedByAllButRestsAgainAtItsNextFailure) {
  Breaker breaker = Opened();
  const auto later = breaker.rest_until();
  breaker.Begin();
  breaker.Hear();
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_TRUE(breaker.Allows(later));
  breaker.Fail(later);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_EQ(breaker.rest_until() - later, 2 * Breaker::kFirstRest);
}

TEST(Breaker, BeingHeardIsNoSuccess) {
  Breaker breaker;
  for (uint32_t i = 0; i < Breaker::kFailuresMax; ++i) {
    EXPECT_EQ(breaker.state(), State::kClosed);
    breaker.Hear();
    breaker.Fail(kStart);
  }
  EXPECT_EQ(breaker.state(), State::kOpen);
}

}  // namespace
}  // namespace infe::upstream
