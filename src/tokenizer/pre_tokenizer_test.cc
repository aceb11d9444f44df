#include "tokenizer/pre_tokenizer.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace infe::tokenizer {
namespace {

using Pieces = std::vector<std::string>;

Pieces Cut(std::string_view name, std::string_view text) {
  const PreTokenizer pre_tokenizer(FindPreTokenizer(name)->kind);
  Pieces pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t end = pre_tokenizer.PieceEnd(text, at);
    EXPECT_GT(end, at);
    pieces.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

// What the regular expressions of the header say, worked out by hand.
TEST(PreTokenizer, Gpt2KeepsOneSpaceWithTheWord) {
  EXPECT_EQ(Cut("gpt-2", "Hello  world"), (Pieces{"Hello", " ", " world"}));
  EXPECT_EQ(Cut("gpt-2", "a \n b"), (Pieces{"a", " \n", " b"}));
  EXPECT_EQ(Cut("gpt-2", "x1 23!? "), (Pieces{"x", "1", " 23", "!?", " "}));
  EXPECT_EQ(Cut("gpt-2", "it's IT'S 'tis"), (Pieces{"it", "'s", " IT", "'", "S", " '", "tis"}));
}

TEST(PreTokenizer, SmollmSetsEveryDigitAlone) {
  EXPECT_EQ(Cut("smollm", "in 2024"), (Pieces{"in", " ", "2", "0", "2", "4"}));
  EXPECT_EQ(Cut("smollm", "a   1 b"), (Pieces{"a", "   ", "1", " b"}));
  EXPECT_EQ(Cut("smollm", "\xC2\xBD\xE2\x85\xA7"), (Pieces{"\xC2\xBD", "\xE2\x85\xA7"}));
}

TEST(PreTokenizer, Qwen2TakesAnyOneCharacterBeforeAWord) {
  EXPECT_EQ(Cut("qwen2", "(foo) .bar\tx"), (Pieces{"(foo", ")", " .", "bar", "\tx"}));
  EXPECT_EQ(Cut("qwen2", "v12"), (Pieces{"v", "1", "2"}));
  EXPECT_EQ(Cut("qwen2", "end.\r\n\r\nNew"), (Pieces{"end", ".\r\n\r\n", "New"}));
  EXPECT_EQ(Cut("qwen2", "a \n\n  b"), (Pieces{"a", " \n\n", " ", " b"}));
  EXPECT_EQ(Cut("qwen2", "\n  \n  "), (Pieces{"\n  \n", "  "}));
}

TEST(PreTokenizer, ContractionsFoldCaseWhereTheExpressionDoes) {
  EXPECT_EQ(Cut("qwen2", "I'LL we'Ve"), (Pieces{"I", "'LL", " we", "'Ve"}));
  EXPECT_EQ(Cut("qwen2", "x'\xC5\xBFy"), (Pieces{"x", "'\xC5\xBF", "y"}));  // long s folds to s
  EXPECT_EQ(Cut("gpt-2", "I'LL"), (Pieces{"I", "'", "LL"}));
}

TEST(PreTokenizer, Llama3TakesNumbersByThree) {
  EXPECT_EQ(Cut("llama-bpe", "12345678"), (Pieces{"123", "456", "78"}));
  EXPECT_EQ(Cut("llama-bpe", " 12"), (Pieces{" ", "12"}));
}

TEST(PreTokenizer, MalformedBytesAreCharactersOfNoClass) {
  EXPECT_EQ(Cut("qwen2", "a\xFF\xC3z"), (Pieces{"a", "\xFF\xC3", "z"}));
  EXPECT_EQ(Cut("gpt-2", " \xE2\x96"), (Pieces{" \xE2\x96"}));
}

TEST(PreTokenizer, UnknownNamesAreNotGuessed) {
  EXPECT_FALSE(FindPreTokenizer("default"));
  EXPECT_FALSE(FindPreTokenizer(""));
  EXPECT_EQ(FindPreTokenizer("smollm")->kind, PreTokenizerKind::kDigitsThenGpt2);
}

TEST(PreTokenizer, OnlyLlama3sOwnTakeTheVocabularyFirst) {
  EXPECT_TRUE(FindPreTokenizer("llama-bpe")->vocabulary_first);
  EXPECT_TRUE(FindPreTokenizer("llama-bpe")->add_bos);
  EXPECT_TRUE(FindPreTokenizer("glm4")->vocabulary_first);
  EXPECT_FALSE(FindPreTokenizer("glm4")->add_bos);
  EXPECT_FALSE(FindPreTokenizer("dbrx")->vocabulary_first);
}

TEST(CharClass, FollowsTheUnicodeTables) {
  const CharClasses& classes = CharClasses::Get();
  EXPECT_EQ(classes.Of('\n'), kSpace | kNewline);
  EXPECT_EQ(classes.Of(0x85), kSpace);
  EXPECT_EQ(classes.Of(0x180E),
            kOther);  // Mongolian vowel separator: white space until Unicode 6.3
  EXPECT_EQ(classes.Of(0x200B), kOther);   // zero width space: a format character
  EXPECT_EQ(classes.Of(0x16EE), kNumber);  // Nl
  EXPECT_EQ(classes.Of(0xBD), kNumber);    // No
  EXPECT_EQ(classes.Of(0xAA), kLetter);    // Lo
  EXPECT_EQ(classes.Of(0x301), kMark);     // Mn
  EXPECT_EQ(classes.Of('a'), kLetter | kLower);
  EXPECT_EQ(classes.Of(0x1C5), kLetter | kUpper);  // Lt
  EXPECT_EQ(classes.Of('_'), kPunctuation);
  EXPECT_EQ(classes.Of(0x2EBF0), kLetter);  // since Unicode 15.1
  EXPECT_EQ(classes.Of(0x10D40), kNumber);  // since Unicode 16.0
  EXPECT_EQ(classes.Of(0x110000), kOther);
}

// Cut by the expressions of pre_tokenizer.h in another engine of regular expressions.
TEST(PreTokenizer, MarksAreLettersOfWordsForQwen35) {
  EXPECT_EQ(Cut("qwen35",
                "e\xCC\x81"
                "A \xCC\x81\xCC\x81"
                "b"),
            (Pieces{"e\xCC\x81"
                    "A",
                    " \xCC\x81\xCC\x81"
                    "b"}));
  EXPECT_EQ(Cut("qwen35", "a://b/\n\n/c"), (Pieces{"a", "://", "b", "/\n\n", "/c"}));
  EXPECT_EQ(Cut("qwen35", "don't 12"), (Pieces{"don", "'t", " ", "1", "2"}));
  EXPECT_EQ(Cut("qwen35", "\xE0\xB8\x81\xE0\xB8\xB4\xE0\xB8\x99 x"),
            (Pieces{"\xE0\xB8\x81\xE0\xB8\xB4\xE0\xB8\x99", " x"}));
  EXPECT_EQ(Cut("qwen35", " \xCC\x81!"), (Pieces{" \xCC\x81", "!"}));
}

TEST(PreTokenizer, WordsTurnFromUpperToLowerCaseOnce) {
  EXPECT_EQ(Cut("gpt-4o", "HelloWorld's HELLO iOS"),
            (Pieces{"Hello", "World's", " HELLO", " i", "OS"}));
  EXPECT_EQ(Cut("gpt-4o",
                "\xE3\x81\x82"
                "AAb X\xE3\x81\x82"
                "A"),
            (Pieces{"\xE3\x81\x82"
                    "AAb",
                    " X\xE3\x81\x82", "A"}));
  EXPECT_EQ(Cut("gpt-4o",
                "e\xCC\x81"
                "A \xCC\x81\xCC\x81"
                "b"),
            (Pieces{"e\xCC\x81", "A",
                    " \xCC\x81\xCC\x81"
                    "b"}));
  EXPECT_EQ(Cut("gpt-4o", "a://b/\n\n/c"), (Pieces{"a", "://", "b", "/\n\n/", "c"}));
  EXPECT_EQ(Cut("gpt-4o", "1234 \xC2\xBD"), (Pieces{"123", "4", " ", "\xC2\xBD"}));
  EXPECT_EQ(Cut("gpt-4o", "JSON'LL x'd"), (Pieces{"JSON'LL", " x'd"}));
  EXPECT_EQ(Cut("gpt-4o",
                "\xC7\x85"
                "a \xC7\x84"),
            (Pieces{"\xC7\x85"
                    "a",
                    " \xC7\x84"}));
  EXPECT_EQ(Cut("gpt-4o",
                "\xCA\xB0"
                "A"),
            (Pieces{"\xCA\xB0", "A"}));
  EXPECT_EQ(Cut("gpt-4o", "  x\n y"), (Pieces{" ", " x", "\n", " y"}));
}

TEST(PreTokenizer, TekkenHasNoContractionsAndSingleDigits) {
  EXPECT_EQ(Cut("tekken", "HelloWorld's"), (Pieces{"Hello", "World", "'s"}));
  EXPECT_EQ(Cut("tekken", "1234"), (Pieces{"1", "2", "3", "4"}));
  EXPECT_EQ(Cut("tekken",
                "X\xE3\x81\x82"
                "A don't"),
            (Pieces{"X\xE3\x81\x82", "A", " don", "'t"}));
  EXPECT_EQ(Cut("tekken", "(FooBar)/\n"), (Pieces{"(Foo", "Bar", ")/\n"}));
}

TEST(PreTokenizer, KimiSetsHanApartFromWords) {
  EXPECT_EQ(Cut("kimi-k2", "Foo\xE4\xB8\x96\xE7\x95\x8Cs It's"),
            (Pieces{"Foo", "\xE4\xB8\x96\xE7\x95\x8C", "s", " It's"}));
  EXPECT_EQ(Cut("kimi-k2", "a)/\n1234"), (Pieces{"a", ")/\n", "123", "4"}));
  EXPECT_EQ(Cut("kimi-k2", ")/\n/"), (Pieces{")/\n", "/"}));
}

TEST(PreTokenizer, SeedCoderKeepsNewlinesApartFromPunctuation) {
  EXPECT_EQ(Cut("seed-coder", "f();\n\nx"), (Pieces{"f", "();", "\n\n", "x"}));
  EXPECT_EQ(Cut("seed-coder", "it's"), (Pieces{"it", "'s"}));
}

TEST(PreTokenizer, UfakzekaHasNoContractions) {
  EXPECT_EQ(Cut("ufakzeka", "Ankara'dan it's'"), (Pieces{"Ankara", "'dan", " it", "'s", "'"}));
}

TEST(PreTokenizer, WhiteSpaceBeforeNumbersThatStandAloneIsOnePiece) {
  EXPECT_EQ(Cut("minicpm5", "a   1234 b"), (Pieces{"a", "   ", "123", "4", " b"}));
  EXPECT_EQ(Cut("minicpm5", "a \n  1"), (Pieces{"a", " \n", "  ", "1"}));
  EXPECT_EQ(Cut("llama-bpe", "a   1"), (Pieces{"a", "  ", " ", "1"}));
  EXPECT_EQ(Cut("deepseek-v3", "a   12"), (Pieces{"a", "   ", "12"}));
}

TEST(PreTokenizer, DeepseekCutsPunctuationWithTheAsciiLettersBehindIt) {
  EXPECT_EQ(Cut("deepseek-v3", "x.foo$\xC3\xA4"), (Pieces{"x", ".foo", "$", "\xC3\xA4"}));
  EXPECT_EQ(Cut("deepseek-v3", " +-\n\ny"), (Pieces{" +-\n\n", "y"}));
  EXPECT_EQ(Cut("deepseek-v3", "a\xE4\xB8\x96\xE3\x81\x82z"),
            (Pieces{"a", "\xE4\xB8\x96\xE3\x81\x82", "z"}));
  EXPECT_EQ(Cut("deepseek-v3", "\x01\x02\x03y"), (Pieces{"\x01\x02", "\x03y"}));
}

TEST(PreTokenizer, SuperBpeCutsNumbersAloneAndTheseFromTheirEnd) {
  EXPECT_EQ(Cut("superbpe", "in the year 12345678, or so"),
            (Pieces{"in the year ", "12", "345", "678", ", or so"}));
  EXPECT_EQ(Cut("superbpe", "123 1234"), (Pieces{"123", " ", "1", "234"}));
  EXPECT_EQ(Cut("superbpe",
                "1234\xC2\xBD"
                "12"),
            (Pieces{"1",
                    "234\xC2\xBD"
                    "12"}));
  EXPECT_EQ(Cut("superbpe",
                "1\xC2\xBD"
                "123456"),
            (Pieces{"1\xC2\xBD", "123", "456"}));
}

TEST(PreTokenizer, ALongNumberIsCutInLinearTime) {
  const std::string digits(200'000, '7');
  const Pieces pieces = Cut("superbpe", digits);
  EXPECT_EQ(pieces.size(), 66'667u);
  EXPECT_EQ(pieces.front(), "77");
  EXPECT_EQ(pieces.back(), "777");
}

}  // namespace
}  // namespace infe::tokenizer
