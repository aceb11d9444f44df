// Expected ids are those of the released tokenizer's rules, worked out by hand.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tokenizer/tokenizer.h"

namespace infe::tokenizer {
namespace {

enum : TokenId {
  kPad,
  kUnk,
  kCls,
  kSep,
  kThe,
  kUn,
  kHappy,
  kPlay,
  kIng,
  kS,
  kCafe,
  kComma,
  kDollar,
  kMiddle,  // U+4E2D
  kA,
  kBareA,
  kX
};

Vocab TinyWordPieceVocab() {
  Vocab vocab;
  vocab.model = "bert";
  vocab.tokens = {"[PAD]",   "[UNK]",        "[CLS]",   "[SEP]", "\u2581the",  "\u2581un",
                  "happy",   "\u2581play",   "ing",     "s",     "\u2581cafe", "\u2581,",
                  "\u2581$", "\u2581\u4e2d", "\u2581a", "a",     "\u2581x"};
  vocab.types.assign(vocab.tokens.size(), TokenType::kNormal);
  vocab.types[kUnk] = TokenType::kUnknown;
  for (const TokenId token : {kPad, kCls, kSep}) vocab.types[token] = TokenType::kControl;
  vocab.bos = kCls;
  vocab.eos = kSep;
  vocab.unknown = kUnk;
  return vocab;
}

// What stands between [CLS] and [SEP].
std::vector<TokenId> Encode(const std::string& text, const Vocab& vocab = TinyWordPieceVocab()) {
  const auto tokenizer = Tokenizer::Create(vocab);
  if (!tokenizer) {
    ADD_FAILURE() << tokenizer.error().message;
    return {};
  }
  std::vector<TokenId> ids = (*tokenizer)->Encode(text);
  EXPECT_GE(ids.size(), 2u);
  EXPECT_EQ(ids.front(), kCls);
  EXPECT_EQ(ids.back(), kSep);
  return {ids.begin() + 1, ids.end() - 1};
}

using Ids = std::vector<TokenId>;
using std::string_literals::operator""s;

TEST(WordPiece, WordsAreSpelledByTheLongestPieceEachTime) {
  EXPECT_EQ(Encode("the playing plays"), (Ids{kThe, kPlay, kIng, kPlay, kS}));
  EXPECT_EQ(Encode("unhappy"), (Ids{kUn, kHappy}));
  EXPECT_EQ(Encode("aa a"), (Ids{kA, kBareA, kA}));
  EXPECT_EQ(Encode(""), Ids{});
  EXPECT_EQ(Encode(" \t\n"), Ids{});
}

TEST(WordPiece, AWordThatCannotBeSpelledIsUnknownAsAWhole) {
  EXPECT_EQ(Encode("the unq the"), (Ids{kThe, kUnk, kThe}));
  // A piece within a word is no beginning of one, and the other way round.
  EXPECT_EQ(Encode("happy"), Ids{kUnk});
  EXPECT_EQ(Encode("theplay"), Ids{kUnk});
}

TEST(WordPiece, LongWordsAreUnknownUnread) {
  EXPECT_EQ(Encode(std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(Encode(std::string(101, 'a')), Ids{kUnk});
  EXPECT_EQ(Encode(std::string(1 << 20, 'a') + " the"), (Ids{kUnk, kThe}));
}

TEST(WordPiece, PunctuationAndIdeographsAreWordsOfTheirOwn) {
  EXPECT_EQ(Encode("the,the"), (Ids{kThe, kComma, kThe}));
  EXPECT_EQ(Encode("$a$"), (Ids{kDollar, kA, kDollar}));
  EXPECT_EQ(Encode("the\u4e2d\u4e2dthe"), (Ids{kThe, kMiddle, kMiddle, kThe}));
}

TEST(WordPiece, LettersBecomeSmallAndLoseTheirMarks) {
  EXPECT_EQ(Encode("THE Caf\u00c9"), (Ids{kThe, kCafe}));
  EXPECT_EQ(Encode("Cafe\u0301"), Ids{kCafe});  // the mark as a character of its own
  Vocab cased = TinyWordPieceVocab();
  cased.lowercase = false;
  EXPECT_EQ(Encode("THE the caf\u00e9", cased), (Ids{kUnk, kThe, kUnk}));
}

TEST(WordPiece, ControlCharactersGoAndSpacesOfAnyKindPart) {
  EXPECT_EQ(Encode("th\0e\x01 pl\u00aday\u200bing"s), (Ids{kThe, kPlay, kIng}));
  EXPECT_EQ(Encode("the\u00a0the\u2003the\u3000the\rthe"), (Ids{kThe, kThe, kThe, kThe, kThe}));
  // Vertical tabs and form feeds are white space and control characters: they go.
  EXPECT_EQ(Encode("play\v\fing"), (Ids{kPlay, kIng}));
  EXPECT_EQ(Encode("a\ufffda"), (Ids{kA, kBareA}));
}

TEST(WordPiece, NamesOfSpecialTokensInATextAreText) {
  const Ids ids = Encode("[SEP]");
  EXPECT_EQ(ids, (Ids{kUnk, kUnk, kUnk}));
}

TEST(WordPiece, AVocabularyWithoutAnUnknownTokenIsRefused) {
  Vocab vocab = TinyWordPieceVocab();
  vocab.unknown.reset();
  const auto tokenizer = Tokenizer::Create(vocab);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace infe::tokenizer
