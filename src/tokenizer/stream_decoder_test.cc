#include "tokenizer/stream_decoder.h"

#include <random>

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "tokenizer/tiny_vocab.h"

namespace infe::tokenizer {
namespace {

std::unique_ptr<Tokenizer> Make(Vocab vocab) {
  return std::move(*Tokenizer::Create(std::move(vocab)));
}

TEST(StreamDecoder, HoldsAnUnfinishedCharacterBack) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.Feed('a'), "a");  // the first 256 tokens are the bytes
  EXPECT_EQ(decoder.Feed(0xF0), "");
  EXPECT_EQ(decoder.Feed(0x9F), "");
  EXPECT_EQ(decoder.Feed(0x98), "");
  EXPECT_EQ(decoder.held_bytes(), 3u);
  EXPECT_EQ(decoder.Feed(0x80), "\xF0\x9F\x98\x80");
  EXPECT_EQ(decoder.held_bytes(), 0u);
}

TEST(StreamDecoder, FlushEndsABrokenCharacter) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.Feed(0xC3), "");
  EXPECT_EQ(decoder.Flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.Flush(), "");
  EXPECT_EQ(decoder.Feed('a'), "a");
}

TEST(StreamDecoder, ReplacesMalformedBytesAtOnce) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.Feed(0xC3), "");
  EXPECT_EQ(decoder.Feed('x'), "\xEF\xBF\xBDx");
  EXPECT_EQ(decoder.Feed(0x80), "\xEF\xBF\xBD");
}

TEST(StreamDecoder, ControlTokensGiveNoText) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.Feed(*tokenizer->Find("<|im_end|>")), "");
  EXPECT_EQ(decoder.Feed(*tokenizer->Find("<tool_call>")), "<tool_call>");
}

TEST(StreamDecoder, TakesTheSpacePrefixAwayWhereTextBegins) {
  const auto tokenizer = Make(TinySentencePieceVocab(true));
  const TokenId hello = *tokenizer->Find(" hello");
  StreamDecoder fresh(*tokenizer);
  EXPECT_EQ(fresh.Feed(hello), "hello");
  EXPECT_EQ(fresh.Feed(hello), " hello");
  StreamDecoder after_control(*tokenizer, tokenizer->Find("<end_of_turn>"));
  EXPECT_EQ(after_control.Feed(hello), "hello");
  StreamDecoder after_text(*tokenizer, hello);
  EXPECT_EQ(after_text.Feed(hello), " hello");
  const auto without = Make(TinySentencePieceVocab(false));
  EXPECT_EQ(StreamDecoder(*without).Feed(hello), " hello");
}

TEST(StreamDecoder, AnyCutGivesTheSameText) {
  std::mt19937 random(4);
  for (const bool prefix : {false, true}) {
    const auto tokenizer = Make(TinySentencePieceVocab(prefix));
    for (int round = 0; round < 300; ++round) {
      std::vector<TokenId> tokens(random() % 30);
      for (TokenId& token : tokens) token = random() % tokenizer->size();
      StreamDecoder one(*tokenizer), many(*tokenizer);
      std::string whole = one.Feed(tokens);
      whole += one.Flush();
      std::string pieces;
      for (const TokenId token : tokens) {
        const std::string piece = many.Feed(token);
        EXPECT_TRUE(IsValidUtf8(piece));
        pieces += piece;
      }
      pieces += many.Flush();
      EXPECT_EQ(pieces, whole);
      EXPECT_EQ(whole, SanitizeUtf8(tokenizer->Decode(tokens)));
    }
  }
}

}  // namespace
}  // namespace infe::tokenizer
