#include "store/store_clock.h"

#include <gtest/gtest.h>

namespace infe::store {
namespace {

constexpr int64_t kStart = 1'800'000'000'000, kHour = 3'600'000, kDay = 24 * kHour;

class StoreClockTest : public testing::Test {
 protected:
  StoreClock New(int64_t floor_ms = 0) {
    return StoreClock({[this] { return wall; }, [this] { return steady; }}, floor_ms);
  }
  void Pass(int64_t ms) {
    wall += ms;
    steady += ms;
  }
  int64_t wall = kStart, steady = 77;
};

TEST_F(StoreClockTest, GoesAsTheWallClockGoes) {
  StoreClock clock = New();
  for (int i = 0; i < 100; ++i) {
    Pass(kHour);
    wall += i % 2 == 0 ? 300 : -300;  // NTP's corrections
    EXPECT_NEAR(static_cast<double>(clock.Now().unix_ms), static_cast<double>(wall), 700);
    EXPECT_FALSE(clock.Now().jumped);
  }
  EXPECT_TRUE(clock.TakeNotes().empty());
}

TEST_F(StoreClockTest, AJumpAheadIsFollowedMarkedAndForgottenWhenItIsOver) {
  StoreClock clock = New();
  wall += 3 * kDay;
  EXPECT_TRUE(clock.Now().jumped);
  EXPECT_EQ(clock.Now().unix_ms, wall);
  EXPECT_EQ(clock.TakeNotes().size(), 1u);  // told once
  Pass(10'000);
  wall -= 3 * kDay;
  EXPECT_FALSE(clock.Now().jumped);
  EXPECT_EQ(clock.Now().unix_ms, kStart + 10'000);
  EXPECT_EQ(clock.TakeNotes().size(), 1u);
}

TEST_F(StoreClockTest, AJumpAheadThatStaysIsBelievedAfterAnHour) {
  StoreClock clock = New();
  wall += 3 * kDay;
  EXPECT_TRUE(clock.Now().jumped);
  Pass(kHour - 1);
  EXPECT_TRUE(clock.Now().jumped);
  Pass(1);
  EXPECT_FALSE(clock.Now().jumped);
  EXPECT_EQ(clock.Now().unix_ms, wall);
  wall -= 3 * kDay;  // now this is a jump back
  EXPECT_EQ(clock.Now().unix_ms, kStart + 3 * kDay + kHour);
}

TEST_F(StoreClockTest, NeverGoesBack) {
  StoreClock clock = New();
  int64_t before = clock.Now().unix_ms;
  for (const int64_t jump : {-kDay, -10'000L, 40 * kDay, -80 * kDay, 0L, 5'000L, -5'000L}) {
    wall += jump;
    Pass(1000);
    const StoreClock::Reading now = clock.Now();
    if (now.jumped) continue;
    EXPECT_GE(now.unix_ms, before + 900);
    before = now.unix_ms;
  }
  EXPECT_LE(before, kStart + 20'000);
}

TEST_F(StoreClockTest, AStartBehindWhatTheDatabaseHasSeenGoesOnFromThere) {
  StoreClock clock = New(kStart + 2 * kDay);
  EXPECT_EQ(clock.Now().unix_ms, kStart + 2 * kDay);
  Pass(kHour);
  EXPECT_EQ(clock.Now().unix_ms, kStart + 2 * kDay + kHour);
  const auto notes = clock.TakeNotes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("accept-clock"), std::string::npos);
  wall += 2 * kDay;  // set right
  EXPECT_FALSE(clock.Now().jumped);
  EXPECT_EQ(clock.Now().unix_ms, wall);
}

TEST_F(StoreClockTest, AfterAStartBehindAClockThatIsSetRightIsBelieved) {
  StoreClock clock = New(kStart + 2 * kDay);
  Pass(kHour);
  wall += 2 * kDay + 3 * kHour;  // for so long it had been off
  EXPECT_FALSE(clock.Now().jumped);
  EXPECT_EQ(clock.Now().unix_ms, wall);
  wall += kDay;  // but only once
  EXPECT_TRUE(clock.Now().jumped);
}

TEST(StoreClock, TheMachinesClocksAgree) {
  StoreClock clock;
  const int64_t before = clock.Now().unix_ms;
  EXPECT_FALSE(clock.Now().jumped);
  EXPECT_GE(clock.Now().unix_ms, before);
  EXPECT_TRUE(clock.TakeNotes().empty());
}

}  // namespace
}  // namespace infe::store
