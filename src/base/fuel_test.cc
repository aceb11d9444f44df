#include "base/fuel.h"

#include <gtest/gtest.h>

namespace infe {
namespace {

TEST(Fuel, LastsForItsStepsAndNoLonger) {
  Fuel fuel({.steps = 10'000});
  EXPECT_TRUE(fuel.Spend(10'000));
  EXPECT_FALSE(fuel.empty());
  EXPECT_FALSE(fuel.Spend());
  EXPECT_FALSE(fuel.Spend());
  EXPECT_EQ(fuel.bound(), Fuel::Bound::kSteps);
  const Error refusal = fuel.Refusal("the schema");
  EXPECT_EQ(refusal.code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(refusal.message, "the schema needs more than 10000 steps");
}

TEST(Fuel, IsSpentStepByStepToo) {
  Fuel fuel({.steps = 10'000});
  uint64_t taken = 0;
  while (fuel.Spend()) ++taken;
  EXPECT_EQ(taken, 10'000u);
}

TEST(Fuel, IsMoreWhereMoreIsAllowedButNeverMoreThanTheMost) {
  const Fuel::Limits most{.steps = 150, .bytes = 1000};
  Fuel fuel({.steps = 100, .bytes = 100});
  fuel.Allow(20, 10, most);
  EXPECT_TRUE(fuel.Spend(120));
  fuel.Allow(1'000'000, 0, most);
  EXPECT_TRUE(fuel.Spend(30));
  EXPECT_TRUE(fuel.Hold(110));
  EXPECT_FALSE(fuel.Spend());
  EXPECT_EQ(fuel.Refusal("it").message, "it needs more than 150 steps");
}

TEST(Fuel, CountsMemoryThatIsHeldNow) {
  Fuel fuel({.bytes = 100});
  EXPECT_TRUE(fuel.Hold(100));
  fuel.Release(50);
  EXPECT_TRUE(fuel.Hold(50));
  EXPECT_FALSE(fuel.Hold(1));
  fuel.Release(101);
  EXPECT_FALSE(fuel.Spend()) << "what ran out stays out";
  EXPECT_EQ(fuel.bound(), Fuel::Bound::kBytes);
}

TEST(Fuel, SeesTheFlagWithinABoundOfSteps) {
  std::atomic<bool> cancelled{false};
  Fuel fuel({}, &cancelled);
  EXPECT_TRUE(fuel.Spend());
  cancelled = true;
  int more = 0;
  while (fuel.Spend() && more < 100'000) ++more;
  EXPECT_LE(more, 4096);
  EXPECT_EQ(fuel.Refusal("it").code, ErrorCode::kCancelled);
}

TEST(Fuel, KnowsARequestsDeadline) {
  Fuel fuel({}, nullptr, Fuel::Clock::now() - std::chrono::seconds(1));
  EXPECT_FALSE(fuel.Spend());
  EXPECT_EQ(fuel.Refusal("it").code, ErrorCode::kDeadlineExceeded);
}

TEST(Fuel, CountsTheThreadsCpuTime) {
  Fuel fuel({.cpu = std::chrono::milliseconds(2)});
  const auto start = Fuel::Clock::now();
  while (fuel.Spend() && Fuel::Clock::now() - start < std::chrono::seconds(20)) {
  }
  EXPECT_EQ(fuel.bound(), Fuel::Bound::kCpuTime);
}

}  // namespace
}  // namespace infe
