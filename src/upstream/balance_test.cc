#include "upstream/balance.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace infe::upstream {
namespace {

using Candidates = std::vector<Candidate>;

TEST(Balance, LeastTakesWhoHasTheFewestForItsWeight) {
  EXPECT_EQ(Choose(Candidates{{"a", 1, 3}, {"b", 1, 1}, {"c", 1, 2}}, Balance::kLeast, 0, 0), 1U);
  // 4 / 1 against 6 / 2.
  EXPECT_EQ(Choose(Candidates{{"a", 1, 3}, {"b", 2, 5}}, Balance::kLeast, 0, 0), 1U);
}

TEST(Balance, NobodyIsChosenWhereNobodyIsAllowed) {
  for (const Balance balance : {Balance::kLeast, Balance::kPrefix}) {
    EXPECT_EQ(Choose(Candidates{}, balance, 3, 7), std::nullopt);
    EXPECT_EQ(Choose(Candidates{{"a", 1, 0, false}, {"b", 1, 0, false, true}}, balance, 1, 7),
              std::nullopt);
  }
}

TEST(Balance, ABusyOneIsTheLastResort) {
  for (const Balance balance : {Balance::kLeast, Balance::kPrefix})
    for (uint64_t i = 0; i < 20; ++i) {
      EXPECT_EQ(Choose(Candidates{{"a", 1, 0, true, true}, {"b", 1, 90}}, balance, i, i), 1U);
      EXPECT_EQ(Choose(Candidates{{"a", 1, 0, true, true}, {"b", 1, 0, false}}, balance, i, i), 0U);
    }
}

TEST(Balance, AmongEqualsItGoesRound) {
  const Candidates three = {{"a"}, {"b"}, {"c"}};
  std::map<size_t, int> had;
  for (uint64_t turn = 0; turn < 30; ++turn) had[*Choose(three, Balance::kLeast, turn, 0)] += 1;
  EXPECT_EQ(had, (std::map<size_t, int>{{0, 10}, {1, 10}, {2, 10}}));
}

// As a server does it: each chosen one has one more under way.
TEST(Balance, WhatIsUnderWayIsInProportionToTheWeights) {
  Candidates some = {{"a", 1}, {"b", 2}, {"c", 5}};
  for (uint64_t turn = 0; turn < 800; ++turn)
    some[*Choose(some, Balance::kLeast, turn, 0)].outstanding += 1;
  EXPECT_NEAR(some[0].outstanding, 100, 2);
  EXPECT_NEAR(some[1].outstanding, 200, 2);
  EXPECT_NEAR(some[2].outstanding, 500, 2);
}

std::string NameOf(const Candidates& from, uint64_t prefix) {
  return std::string(from[*Choose(from, Balance::kPrefix, prefix * 7, prefix)].name);
}

TEST(Balance, APrefixGoesToTheSameServerWhateverTheirOrderAndTheTurn) {
  const Candidates some = {{"a"}, {"b"}, {"c"}, {"d"}}, turned = {{"c"}, {"a"}, {"d"}, {"b"}};
  for (uint64_t prefix = 0; prefix < 500; ++prefix) {
    EXPECT_EQ(NameOf(some, prefix), NameOf(turned, prefix));
    EXPECT_EQ(Choose(some, Balance::kPrefix, 0, prefix), Choose(some, Balance::kPrefix, 3, prefix));
  }
}

constexpr int kPrefixes = 20'000;

TEST(Balance, PrefixesAreSpreadByWeight) {
  const Candidates some = {{"gpu-a", 1}, {"gpu-b", 1}, {"gpu-c", 2}};
  std::map<std::string, int> had;
  for (int i = 0; i < kPrefixes; ++i)
    had[NameOf(some, HashText("prompt " + std::to_string(i)))] += 1;
  EXPECT_NEAR(had["gpu-a"], kPrefixes / 4, kPrefixes / 50);
  EXPECT_NEAR(had["gpu-b"], kPrefixes / 4, kPrefixes / 50);
  EXPECT_NEAR(had["gpu-c"], kPrefixes / 2, kPrefixes / 50);
}

TEST(Balance, AServerThatGoesMovesOnlyItsOwnShare) {
  const Candidates before = {{"a"}, {"b"}, {"c"}, {"d"}};
  Candidates without = before;
  without[1].allowed = false;
  std::map<std::string, int> heirs;
  for (uint64_t i = 0; i < kPrefixes; ++i) {
    const uint64_t prefix = HashText(std::to_string(i));
    const std::string was = NameOf(before, prefix), is = NameOf(without, prefix);
    if (was == "b")
      heirs[is] += 1;
    else
      EXPECT_EQ(is, was);
  }
  // And its share is not one heir's.
  for (const char* name : {"a", "c", "d"}) EXPECT_GT(heirs[name], kPrefixes / 4 / 5);
}

TEST(Balance, OnePopularPrefixDoesNotDrownItsServer) {
  Candidates some = {{"a"}, {"b"}, {"c"}, {"d"}};
  uint32_t most = 0;
  for (int i = 0; i < 400; ++i) some[*Choose(some, Balance::kPrefix, i, 42)].outstanding += 1;
  size_t helping = 0;
  for (const Candidate& candidate : some) {
    helping += candidate.outstanding > 0 ? 1 : 0;
    most = std::max(most, candidate.outstanding);
  }
  EXPECT_GE(helping, 3U);  // nobody has more than kSpread of the four's shares
  EXPECT_LE(most, kSpread * 400 / 4 + 2);
  // While little is under way it stays where it is.
  Candidates idle = {{"a"}, {"b"}, {"c"}, {"d"}};
  const size_t home = *Choose(idle, Balance::kPrefix, 0, 42);
  idle[home].outstanding = 1;
  EXPECT_EQ(Choose(idle, Balance::kPrefix, 1, 42), home);
}

TEST(Balance, HashesOfLikeTextsDiffer) {
  std::map<uint64_t, std::string> seen;
  for (int i = 0; i < 5000; ++i)
    for (uint64_t seed : {0, 1}) {
      const auto [at, fresh] = seen.emplace(HashText(std::to_string(i), seed), std::to_string(i));
      EXPECT_TRUE(fresh) << at->second << " and " << i;
    }
  EXPECT_EQ(HashText("abc", 5), HashText("abc", 5));
}

}  // namespace
}  // namespace infe::upstream
