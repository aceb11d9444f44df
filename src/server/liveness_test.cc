#include "server/liveness.h"

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

}  // namespace
}  // namespace infe::server
