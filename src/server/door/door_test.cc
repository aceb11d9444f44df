#include "server/door/door.h"

#include <gtest/gtest.h>

namespace infe::server {
namespace {

using store::KeyState;

TEST(Door, OnceThereWereKeysNoneIsAnError) {
  EXPECT_EQ(DoorFor(KeyState::kNone, RequireKeys::kAuto), Door::kOpen);
  EXPECT_EQ(DoorFor(KeyState::kThere, RequireKeys::kAuto), Door::kKeys);
  EXPECT_EQ(DoorFor(KeyState::kLost, RequireKeys::kAuto), Door::kShut);
  EXPECT_EQ(DoorFor(KeyState::kForeign, RequireKeys::kAuto), Door::kShut);
}

TEST(Door, TheOperatorMayAlwaysOrNeverInsist) {
  EXPECT_EQ(DoorFor(KeyState::kNone, RequireKeys::kAlways), Door::kShut);
  EXPECT_EQ(DoorFor(KeyState::kLost, RequireKeys::kNever), Door::kOpen);
  // Keys that are there are asked for, and a wrong pepper opens nothing.
  EXPECT_EQ(DoorFor(KeyState::kThere, RequireKeys::kNever), Door::kKeys);
  EXPECT_EQ(DoorFor(KeyState::kForeign, RequireKeys::kNever), Door::kShut);
}

TEST(Door, AShutDoorSaysHowToGoOn) {
  const std::string lost = WhyShut(KeyState::kLost, "/data");
  for (const char* word : {"/data", "backup", "infe keys create", "--first-key", "require_keys"})
    EXPECT_NE(lost.find(word), std::string::npos) << word;
  EXPECT_NE(WhyShut(KeyState::kNone, "/data").find("--first-key"), std::string::npos);
  EXPECT_NE(WhyShut(KeyState::kForeign, "/data").find("/data/pepper"), std::string::npos);
}

}  // namespace
}  // namespace infe::server
