#include "tokenizer/special_matcher.h"

#include <gtest/gtest.h>

namespace infe::tokenizer {
namespace {

using Gate = SpecialMatcher::Gate;

std::vector<TokenId> Tokens(const std::vector<SpecialMatcher::Match>& matches) {
  std::vector<TokenId> tokens;
  for (const SpecialMatcher::Match& match : matches) tokens.push_back(match.token);
  return tokens;
}

const SpecialMatcher::Entry kEntries[] = {
    {"<a>", 1, Gate::kTrustedOnly}, {"<a>b", 2, Gate::kTrustedOnly}, {"  ", 3, Gate::kAnywhere},
    {"    ", 4, Gate::kAnywhere},   {"b<a", 5, Gate::kAnywhere},     {"<a>", 6, Gate::kAnywhere},
};

TEST(SpecialMatcher, TakesTheLongestOfTheLeftmost) {
  const SpecialMatcher matcher(kEntries);
  const TextSpan all{0, 100};
  EXPECT_EQ(Tokens(matcher.FindAll("x<a>b<a>", {&all, 1})), (std::vector<TokenId>{2, 1}));
  EXPECT_EQ(Tokens(matcher.FindAll("       ", {})), (std::vector<TokenId>{4, 3}));  // 7 = 4 + 2 + 1
  EXPECT_EQ(Tokens(matcher.FindAll("b<a>", {&all, 1})), (std::vector<TokenId>{5}));
}

TEST(SpecialMatcher, NeedsEveryByteTrusted) {
  const SpecialMatcher matcher(kEntries);
  const std::string_view text = "<a>b";
  for (size_t begin = 0; begin <= 4; ++begin) {
    for (size_t end = begin; end <= 4; ++end) {
      const TextSpan span{begin, end};
      std::vector<TokenId> wanted;
      if (begin == 0 && end >= 3) wanted = {end == 4 ? 2u : 1u};
      EXPECT_EQ(Tokens(matcher.FindAll(text, {&span, 1})), wanted) << begin << "-" << end;
    }
  }
}

TEST(SpecialMatcher, JoinsRangesThatTouchInAnyOrder) {
  const SpecialMatcher matcher(kEntries);
  const TextSpan touching[] = {{2, 9}, {0, 1}, {1, 2}};
  EXPECT_EQ(Tokens(matcher.FindAll("<a>", touching)), (std::vector<TokenId>{1}));
  const TextSpan apart[] = {{0, 1}, {2, 3}};
  EXPECT_TRUE(matcher.FindAll("<a>", apart).empty());
}

TEST(SpecialMatcher, AnEmptyOneFindsNothing) {
  EXPECT_TRUE(SpecialMatcher().FindAll("<a>", {}).empty());
  EXPECT_TRUE(SpecialMatcher(kEntries).FindAll("", {}).empty());
}

}  // namespace
}  // namespace infe::tokenizer
