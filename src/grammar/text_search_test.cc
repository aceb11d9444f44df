#include "grammar/text_search.h"

#include <algorithm>
#include <deque>
#include <random>
#include <unordered_map>

#include <gtest/gtest.h>

#include "grammar/regex_pool.h"

namespace infe::grammar {
namespace {

using Text = TextSearch::Text;

// What std::string::find says: where the first of the texts ends, npos for nowhere, and whether one
// of the group ends there.
size_t FirstEnd(const std::vector<Text>& texts, std::string_view read, uint32_t group,
                bool* of_group) {
  size_t first = std::string::npos;
  for (const Text& text : texts) {
    const size_t at = read.find(text.bytes);
    if (at != std::string::npos) first = std::min(first, at + text.bytes.size());
  }
  *of_group = first != std::string::npos && std::ranges::any_of(texts, [&](const Text& text) {
                return text.group == group && read.substr(0, first).ends_with(text.bytes);
              });
  return first;
}

bool Matches(RegexPool& pool, RegexId id, std::string_view text) {
  for (const char c : text) {
    id = pool.Derive(id, static_cast<uint8_t>(c));
    if (id == kNothing) return false;
  }
  return pool.Nullable(id);
}

// Characters to the nearest node that matches the empty text, by walking every edge.
uint32_t Walked(RegexPool& pool, RegexId id) {
  std::unordered_map<RegexId, uint32_t> distance{{id, 0}};
  std::deque<RegexId> queue{id};
  while (!queue.empty()) {
    const RegexId at = queue.front();
    queue.pop_front();
    if (pool.Nullable(at)) return distance[at];
    const auto edges = pool.Edges(at);
    const std::vector<RegexEdge> copy(edges.begin(), edges.end());
    for (const RegexEdge& edge : copy)
      if (distance.emplace(edge.target, distance[at] + 1).second) queue.push_back(edge.target);
  }
  return UINT32_MAX;
}

std::string Draw(std::mt19937_64& random, std::string_view letters, size_t least, size_t most) {
  std::string text;
  for (size_t left = least + random() % (most - least + 1); left > 0; --left)
    text.push_back(letters[random() % letters.size()]);
  return text;
}

std::vector<Text> DrawTexts(std::mt19937_64& random, uint32_t groups) {
  std::vector<Text> texts;
  for (size_t i = 1 + random() % 6; i > 0; --i) {
    const auto group = static_cast<uint32_t>(random() % (groups + 1));
    texts.push_back({Draw(random, "ab{", 1, 5), group == groups ? TextSearch::kNoGroup : group});
  }
  return texts;
}

TEST(TextSearch, TextsUpToAGroupAndWithoutAnyAreThoseThatStringSearchSays) {
  std::mt19937_64 random(7);
  constexpr uint32_t kGroups = 3;
  for (int round = 0; round < 300; ++round) {
    RegexPool pool;
    const std::vector<Text> texts = DrawTexts(random, kGroups);
    const auto search = pool.AddSearch(TextSearch(texts));
    for (int i = 0; i < 100; ++i) {
      const std::string read = Draw(random, "ab{x", 0, 12);
      bool of_group = false;
      EXPECT_EQ(Matches(pool, pool.Without(search), read),
                FirstEnd(texts, read, 0, &of_group) == std::string::npos)
          << read;
      for (uint32_t group = 0; group < kGroups; ++group) {
        const bool ends = FirstEnd(texts, read, group, &of_group) == read.size() && of_group;
        EXPECT_EQ(Matches(pool, pool.UpTo(search, group), read), ends) << read << ' ' << group;
      }
    }
  }
}

TEST(TextSearch, TheWayToTheEndIsTheShortestFromEveryState) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    RegexPool pool;
    const auto search = pool.AddSearch(TextSearch(DrawTexts(random, 2)));
    RegexId at = pool.UpTo(search, 0);
    for (int i = 0; i < 20 && at != kNothing && !pool.Nullable(at); ++i) {
      EXPECT_FALSE(pool.IsEmpty(at));
      EXPECT_EQ(pool.ShortestLength(at), Walked(pool, at));
      at = pool.Derive(at, static_cast<uint8_t>("ab{x"[random() % 4]));
    }
  }
}

TEST(TextSearch, ATextThatAnotherOneAlwaysPrecedesIsNeverTheEnd) {
  RegexPool pool;
  const auto search = pool.AddSearch(TextSearch({{"abc", 0}, {"b", 1}, {"", 2}, {"\xFF", 3}}));
  EXPECT_EQ(pool.UpTo(search, 0), kNothing);
  EXPECT_NE(pool.UpTo(search, 1), kNothing);
  EXPECT_EQ(pool.UpTo(search, 2), kNothing);  // empty, or with the lead byte of special tokens:
  EXPECT_EQ(pool.UpTo(search, 3), kNothing);  // found nowhere
}

TEST(TextSearch, WithoutAFreeByteStatesThatLeadNowhereAreStillFound) {
  std::vector<Text> texts{{"ab", 0}};
  for (int byte = 0; byte <= TextSearch::kByteMax; ++byte)
    if (byte != 'a' && byte != 'b') texts.push_back({std::string(1, static_cast<char>(byte))});
  texts.push_back({"bb"});
  texts.push_back({"aa"});
  RegexPool pool;
  const auto search = pool.AddSearch(TextSearch(texts));
  const RegexId start = pool.UpTo(search, 0);
  EXPECT_EQ(pool.ShortestLength(start), 2u);
  const RegexId behind_b = pool.Derive(start, 'b');
  EXPECT_EQ(pool.ShortestLength(behind_b), 2u);
  EXPECT_EQ(pool.Derive(behind_b, 'b'), kNothing);
}

// One derivative of each text, at each place in each of them, for each of them, were it a regex of
// all: a hundred million.
TEST(TextSearch, AThousandTextsAreCheapEachForItself) {
  Fuel fuel({.steps = 1000000});
  RegexPool pool;
  pool.SetFuel(&fuel);
  std::vector<Text> texts;
  for (uint32_t i = 0; i < 1000; ++i)
    texts.push_back({"{\"name\": \"function_number_" + std::to_string(i) + "\"", i});
  const auto search = pool.AddSearch(TextSearch(texts));
  for (uint32_t i = 0; i < 1000; ++i) {
    const RegexId id = pool.UpTo(search, i);
    ASSERT_FALSE(pool.IsEmpty(id));
    ASSERT_EQ(pool.ShortestLength(id), texts[i].bytes.size());
  }
  EXPECT_FALSE(fuel.empty());
}

}  // namespace
}  // namespace infe::grammar
