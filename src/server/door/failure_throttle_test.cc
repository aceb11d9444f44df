#include "server/door/failure_throttle.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace infe::server {
namespace {

using std::chrono::seconds;
const FailureThrottle::Clock::time_point kStart{seconds(1000)};

int AllowedOf(FailureThrottle& throttle, std::string_view address, int failures,
              FailureThrottle::Clock::time_point now = kStart) {
  int allowed = 0;
  for (int i = 0; i < failures; ++i) allowed += throttle.Allow(address, now) ? 1 : 0;
  return allowed;
}

TEST(FailureThrottle, AnAddressHasItsBurstAndThenComesBackWithTime) {
  const auto throttle = std::make_unique<FailureThrottle>();
  EXPECT_EQ(AllowedOf(*throttle, "192.0.2.1", 100), static_cast<int>(FailureThrottle::kBurst));
  EXPECT_EQ(AllowedOf(*throttle, "192.0.2.1", 10, kStart + seconds(4)), 2);
  EXPECT_EQ(AllowedOf(*throttle, "192.0.2.1", 100, kStart + seconds(3600)),
            static_cast<int>(FailureThrottle::kBurst));
}

TEST(FailureThrottle, AnotherAddressHasItsOwnBucket) {
  const auto throttle = std::make_unique<FailureThrottle>();
  AllowedOf(*throttle, "192.0.2.1", 100);
  EXPECT_TRUE(throttle->Allow("192.0.2.2", kStart));
}

TEST(FailureThrottle, AnIpv6NetworkOf64BitsIsOneAddress) {
  const auto throttle = std::make_unique<FailureThrottle>();
  int allowed = 0;
  for (int i = 0; i < 100; ++i)
    allowed += throttle->Allow("2001:db8::" + std::to_string(i), kStart) ? 1 : 0;
  EXPECT_EQ(allowed, static_cast<int>(FailureThrottle::kBurst));
  EXPECT_TRUE(throttle->Allow("2001:db8:0:1::1", kStart));
}

// A clock that jumps back must not hand out tokens or throw them away.
TEST(FailureThrottle, TimeGoingBackChangesNothing) {
  const auto throttle = std::make_unique<FailureThrottle>();
  AllowedOf(*throttle, "192.0.2.1", 100);
  EXPECT_FALSE(throttle->Allow("192.0.2.1", kStart - seconds(100)));
}

}  // namespace
}  // namespace infe::server
