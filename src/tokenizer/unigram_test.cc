// Expected ids are worked out by hand from the scores.
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tokenizer/char_map.h"
#include "tokenizer/tokenizer.h"

namespace infe::tokenizer {
namespace {

using Ids = std::vector<TokenId>;
enum : TokenId { kUnk, kBegin, kEnd, kThe, kThere, kRe, kSpace, kA, kT, kH, kE, kR, kTh };

Vocab TinyUnigrams() {
  Vocab vocab;
  vocab.model = "t5";
  vocab.tokens = {"<unk>", "<s>", "</s>", "\u2581the", "\u2581there", "re", "\u2581",
                  "a",     "t",   "h",    "e",         "r",           "th"};
  vocab.scores = {0, 0, 0, -2, -9, -3, -4, -5, -6, -6, -6, -6, -5};
  vocab.types.assign(vocab.tokens.size(), TokenType::kNormal);
  vocab.types[kUnk] = TokenType::kUnknown;
  vocab.types[kBegin] = vocab.types[kEnd] = TokenType::kControl;
  vocab.unknown = kUnk;
  vocab.bos = kBegin;
  vocab.eos = kEnd;
  vocab.remove_extra_whitespaces = true;
  return vocab;
}

Ids Encode(const std::string& text, const Vocab& vocab = TinyUnigrams()) {
  const auto tokenizer = Tokenizer::Create(vocab);
  if (!tokenizer) {
    ADD_FAILURE() << tokenizer.error().message;
    return {};
  }
  const Ids ids = (*tokenizer)->Encode(text);
  EXPECT_EQ(ids.front(), kBegin);
  EXPECT_EQ(ids.back(), kEnd);
  return {ids.begin() + 1, ids.end() - 1};
}

// A table that replaces each key: every node has 256 units of its own.
std::string TableOf(const std::map<std::string, std::string>& changes) {
  std::vector<uint32_t> units(256);
  std::string texts;
  std::map<std::string, uint32_t> bases;  // of prefixes
  const auto base_of = [&](const std::string& prefix, uint32_t index) {
    const auto found = bases.find(prefix);
    if (found != bases.end()) return found->second;
    const auto base = static_cast<uint32_t>(units.size());
    units.resize(units.size() + 256);
    units[index] |= (index ^ base) << 10;
    return bases[prefix] = base;
  };
  for (const auto& [key, value] : changes) {
    uint32_t index = 0;
    for (size_t i = 0; i < key.size(); ++i) {
      const auto byte = static_cast<uint8_t>(key[i]);
      index = base_of(key.substr(0, i), index) ^ byte;
      units[index] |= byte;
    }
    const uint32_t leaf = base_of(key, index);
    units[index] |= 1u << 8;
    units[leaf] = 1u << 31 | static_cast<uint32_t>(texts.size());
    texts += value + '\0';
  }
  const auto bytes = static_cast<uint32_t>(units.size() * 4);
  return std::string(reinterpret_cast<const char*>(&bytes), 4) +
         std::string(reinterpret_cast<const char*>(units.data()), bytes) + texts;
}

TEST(Unigram, TheLikeliestSpellingIsTaken) {
  EXPECT_EQ(Encode("the"), Ids{kThe});
  EXPECT_EQ(Encode("there"), (Ids{kThe, kRe}));  // -5 beats -9
  EXPECT_EQ(Encode("th a"), (Ids{kSpace, kTh, kSpace, kA}));
}

TEST(Unigram, SpacesAreOneAndStandInFront) {
  for (const char* text : {"the a", "  the   a ", "the a   "})
    EXPECT_EQ(Encode(text), (Ids{kThe, kSpace, kA})) << text;
  EXPECT_EQ(Encode(""), Ids{});
  EXPECT_EQ(Encode("   "), Ids{});
}

TEST(Unigram, ARunOfTheUnknownIsOneToken) {
  EXPECT_EQ(Encode("xyz"), (Ids{kSpace, kUnk}));
  EXPECT_EQ(Encode("x\u4e2d\xFFzaz"), (Ids{kSpace, kUnk, kA, kUnk}));
}

TEST(Unigram, CharactersAreMappedFirstByTheLongestKey) {
  Vocab vocab = TinyUnigrams();
  vocab.char_map = TableOf({{"\uFF41", "a"}, {"T", "t"}, {"TH", "th"}, {"\t", " "}, {"z", ""}});
  EXPECT_EQ(Encode("THe\t\uFF41z", vocab), (Ids{kThe, kSpace, kA}));
  EXPECT_EQ(Encode("Te", vocab), (Ids{kSpace, kT, kE}));
}

TEST(Unigram, ATextOfOneEndlessWordIsSpelledInParts) {
  EXPECT_EQ(Encode(std::string(200'000, 'a')).size(), 200'001u);
}

TEST(Unigram, TheFirstOfAPairEndsTwice) {
  const auto tokenizer = Tokenizer::Create(TinyUnigrams());
  ASSERT_TRUE(tokenizer);
  const auto between = (*tokenizer)->between_texts();
  EXPECT_EQ(Ids(between.begin(), between.end()), Ids{kEnd});
}

TEST(Unigram, AVocabularyWithoutScoresOrUnknownIsRefused) {
  Vocab vocab = TinyUnigrams();
  vocab.scores.pop_back();
  EXPECT_FALSE(Tokenizer::Create(vocab));
  vocab = TinyUnigrams();
  vocab.unknown.reset();
  EXPECT_FALSE(Tokenizer::Create(vocab));
}

TEST(CharMap, TablesThatAreCutAreRefusedAndWildOnesAreRead) {
  const std::string table = TableOf({{"ab", "c"}});
  for (const size_t size : {1u, 3u, 4u, 8u, 100u})
    EXPECT_FALSE(CharMap::Create(table.substr(0, size))) << size;
  // Offsets and values that lead nowhere end the search.
  std::string wild = table;
  for (size_t i = 4; i < 2052; i += 3) wild[i] = static_cast<char>(i * 37);
  const auto map = CharMap::Create(wild);
  ASSERT_TRUE(map);
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = std::string(1, static_cast<char>(byte)) + "bcd";
    EXPECT_GT(map->Next(text).length, 0u);
    EXPECT_LE(map->Next(text).length, text.size());
  }
}

}  // namespace
}  // namespace infe::tokenizer
