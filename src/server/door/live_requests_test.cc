#include "server/door/live_requests.h"

#include <optional>

#include <gtest/gtest.h>

namespace infe::server {
namespace {

TEST(LiveRequests, AStoppingServerCancelsWhoIsThereAndWhoComesAndNobodyWhoHasLeft) {
  LiveRequests live;
  std::atomic<bool> gone{false}, here{false}, late{false};
  std::optional<LiveRequests::Place> first(std::in_place, live, gone);
  const LiveRequests::Place second(live, here);
  first.reset();
  EXPECT_EQ(live.count(), 1u);
  live.CancelAll();
  EXPECT_FALSE(gone);
  EXPECT_TRUE(here);
  const LiveRequests::Place third(live, late);
  EXPECT_TRUE(late);
  EXPECT_EQ(live.count(), 2u);
}

}  // namespace
}  // namespace infe::server
