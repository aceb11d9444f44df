// Recursion that follows strangers' input, and the two files that it is proved with.
#include "base/small_stack.h"

#include <string>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/stack_room.h"

namespace infe {
namespace {

std::string Repeated(std::string_view part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += part;
  return out;
}

TEST(SmallStackTest, TheTaskHasASmallStackAndIsOverAfterwards) {
  size_t room = 0;
  RunOnSmallStack([&] { room = StackRoom(); });
  EXPECT_GT(room, size_t{128} << 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(room, size_t{256} << 10);
#endif
}

__attribute__((noinline)) size_t RoomBehind(volatile char* block) {
  volatile char more[16384];
  more[0] = block[0];
  block[0] = more[0];
  return StackRoom();
}

TEST(SmallStackTest, RoomShrinksAsTheStackGrows) {
  volatile char block[16] = {};
  const size_t here = StackRoom();
  const size_t deeper = RoomBehind(block);
  EXPECT_GE(here, deeper + 16384);
  EXPECT_LT(here - deeper, size_t{256} << 10);
}

// 1,000 is the deepest that anything in the program asks for.
TEST(JsonRecursionTest, ReadingWritingComparingAndCopyingDeepJsonFitASmallStack) {
  RunOnSmallStack([] {
    for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{R"({"a":)", "}"}}) {
      const std::string text = Repeated(open, 1000) + "1" + Repeated(close, 1000);
      const auto json = ParseJson(text, {.depth = 1000});
      ASSERT_TRUE(json) << json.error().message;
      EXPECT_EQ(json->Dump(), text);
      Json copy = *json;
      EXPECT_EQ(copy, *json);
      copy = Json::Array{*json};
      EXPECT_NE(copy, *json);
      const auto refused = ParseJson(Repeated(open, 100'000), {.depth = 1000});
      ASSERT_FALSE(refused);
      EXPECT_NE(refused.error().message.find("1000 levels"), std::string::npos);
    }
  });
}

}  // namespace
}  // namespace infe
