// Claims of the small files of base: UTF-8, randomness, digests, Result.
#include <set>

#include <gtest/gtest.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/utf8.h"

namespace infe {
namespace {

TEST(Utf8, AgreesWithRfc3629) {
  for (const char* good :
       {"a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(IsValidUtf8(good));
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xC2", "\xE2\x82", "\xFF"})
    EXPECT_FALSE(IsValidUtf8(bad));
}

TEST(Utf8, CompletePrefixNeverSplitsACharacter) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  for (size_t n = 0; n <= text.size(); ++n) {
    const std::string_view head = std::string_view(text).substr(0, n);
    const size_t complete = CompleteUtf8Prefix(head);
    EXPECT_LE(complete, n);
    EXPECT_LT(n - complete, 4u);
    EXPECT_TRUE(IsValidUtf8(head.substr(0, complete)));
  }
  EXPECT_EQ(CompleteUtf8Prefix("ab\x80\x80\x80\x80"), 6u);
}

TEST(Utf8, EveryCodePointRoundTrips) {
  for (uint32_t c = 0; c <= 0x10FFFF; c += 7) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    AppendUtf8(text, c);
    size_t at = 0;
    EXPECT_EQ(DecodeUtf8(text, at), c);
    EXPECT_EQ(at, text.size());
  }
}

// The known answers of the Random123 distribution's kat_vectors for philox4x32-10.
TEST(Random, PhiloxMatchesPublishedVectors) {
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  EXPECT_EQ(
      Philox({0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}, {0xffffffffu, 0xffffffffu}),
      (std::array<uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
}

TEST(Random, DrawsDifferByEveryCoordinate) {
  std::set<double> seen;
  for (uint64_t seed = 0; seed < 8; ++seed)
    for (uint32_t choice = 0; choice < 8; ++choice)
      for (uint64_t position = 0; position < 8; ++position)
        seen.insert(UniformAt(seed, choice, position));
  EXPECT_EQ(seen.size(), 512u);
  for (double u : seen) EXPECT_TRUE(u >= 0 && u < 1);
}

TEST(Sha256, MatchesFips180) {
  Sha256 sha;
  sha.Update("abc");
  EXPECT_EQ(ToHex(sha.Finish()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(HugeBuffer, IsAlignedAndZero) {
  HugeBuffer buffer(size_t{5} << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % (size_t{2} << 20), 0u);
  EXPECT_EQ(buffer.data()[buffer.size() - 1], std::byte{0});
}

Result<int> Half(int x) {
  if (x % 2 != 0) return InvalidArgument("odd");
  return x / 2;
}
Result<int> Quarter(int x) {
  INFE_ASSIGN(const int half, Half(x));
  return Half(half);
}
TEST(Result, AssignPassesErrorsUp) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error().message, "odd");
}

}  // namespace
}  // namespace infe
