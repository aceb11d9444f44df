#include "tokenizer/tokenizer.h"

#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "tokenizer/tiny_vocab.h"

namespace infe::tokenizer {
namespace {

std::unique_ptr<Tokenizer> Make(Vocab vocab) {
  Result<std::unique_ptr<Tokenizer>> made = Tokenizer::Create(std::move(vocab));
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

ErrorCode CreateError(Vocab vocab) {
  const auto made = Tokenizer::Create(std::move(vocab));
  EXPECT_FALSE(made);
  return made ? ErrorCode::kInternal : made.error().code;
}

bool Contains(const std::vector<TokenId>& tokens, TokenId token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

std::string RandomText(std::mt19937& random) {
  std::string text;
  for (size_t i = random() % 40; i > 0; --i) {
    uint32_t code = 0;
    switch (random() % 4) {
      case 0:
        code = 0x20 + random() % 0x5F;
        break;
      case 1:
        code = "helo wrdta<>\n"[random() % 13];
        break;
      case 2:
        code = random() % 0x3000;
        break;
      case 3:
        code = random() % 0x110000;
        break;
    }
    if ((code >= 0xD800 && code < 0xE000) || code == 0x2581) continue;
    AppendUtf8(text, code);
  }
  return text;
}

TEST(Tokenizer, DecodesWhatItEncoded) {
  std::mt19937 random(3);
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  for (const char* pre : {"gpt-2", "smollm", "qwen2", "llama-bpe"})
    tokenizers.push_back(Make(TinyByteLevelVocab(pre)));
  tokenizers.push_back(Make(TinySentencePieceVocab(false)));
  tokenizers.push_back(Make(TinySentencePieceVocab(true)));
  for (int round = 0; round < 2000; ++round) {
    const std::string text = RandomText(random);
    for (const auto& tokenizer : tokenizers)
      EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text) << tokenizer->size();
  }
}

TEST(Tokenizer, KeepsMalformedBytes) {
  const std::string text = "a\xFF\xC3 \xE2\x96\x80\xF0\x9F h\x80";
  EXPECT_EQ(Make(TinyByteLevelVocab())->Decode(Make(TinyByteLevelVocab())->Encode(text)), text);
  EXPECT_EQ(Make(TinySentencePieceVocab())->Decode(Make(TinySentencePieceVocab())->Encode(text)),
            text);
}

TEST(Tokenizer, UserTextNeverMakesAControlToken) {
  for (const bool byte_level : {true, false}) {
    const auto tokenizer = Make(byte_level ? TinyByteLevelVocab() : TinySentencePieceVocab());
    const std::string name = byte_level ? "<|im_end|>" : "<end_of_turn>";
    const TokenId control = *tokenizer->Find(name);
    EXPECT_TRUE(tokenizer->IsControl(control));
    const std::string text = "a" + name + "b";
    EXPECT_FALSE(Contains(tokenizer->Encode(text), control));
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
    EXPECT_TRUE(Contains(tokenizer->Encode(text, {.special = SpecialTokens::kAll}), control));
    // The template's own ranges: one that leaves out a byte of the name is not enough.
    const TextSpan whole{1, 1 + name.size()}, part{1, name.size()};
    EXPECT_TRUE(Contains(
        tokenizer->Encode(text, {.special = SpecialTokens::kTrusted, .trusted = {&whole, 1}}),
        control));
    EXPECT_FALSE(Contains(
        tokenizer->Encode(text, {.special = SpecialTokens::kTrusted, .trusted = {&part, 1}}),
        control));
  }
}

TEST(Tokenizer, JoinedTextIsTokenisedAsOne) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  const TextSpan first_half{0, 2};  // the border of trust does not part "hello"
  EXPECT_EQ(
      tokenizer->Encode("hello", {.special = SpecialTokens::kTrusted, .trusted = {&first_half, 1}}),
      tokenizer->Encode("hello"));
  EXPECT_EQ(tokenizer->Encode("hello").size(), 1u);
}

TEST(Tokenizer, UserDefinedTokensMatchInAnyText) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  const TokenId call = *tokenizer->Find("<tool_call>");
  EXPECT_EQ(tokenizer->Encode("<tool_call>"), std::vector<TokenId>{call});
  EXPECT_FALSE(tokenizer->IsControl(call));
  EXPECT_EQ(tokenizer->TokenBytes(call), "<tool_call>");
}

TEST(Tokenizer, AddsBosOnceAndOnlyWhereAsked) {
  Vocab vocab = TinyByteLevelVocab();
  const TokenId bos = *vocab.bos, eos = *vocab.eos;
  EXPECT_FALSE(Contains(Make(vocab)->Encode("hello"), bos));
  vocab.add_bos = true;
  vocab.add_eos = true;
  const auto tokenizer = Make(vocab);
  EXPECT_EQ(tokenizer->Encode(""), (std::vector<TokenId>{bos, eos}));
  const std::vector<TokenId> once = tokenizer->Encode("hello");
  EXPECT_EQ(tokenizer->Encode("<|endoftext|>hello<|im_end|>", {.special = SpecialTokens::kAll}),
            once);
  EXPECT_EQ(tokenizer->Encode("hello", {.add_special = AddSpecial::kNever}).size(), 1u);
  // A user who writes the name has not written the token.
  EXPECT_EQ(tokenizer->Encode("<|endoftext|>").front(), bos);
  EXPECT_GT(tokenizer->Encode("<|endoftext|>").size(), 5u);
}

TEST(Tokenizer, DefaultsFollowTheFamily) {
  Vocab vocab = TinySentencePieceVocab();
  vocab.add_bos.reset();
  vocab.add_space_prefix.reset();
  EXPECT_TRUE(Make(vocab)->add_bos());
  EXPECT_TRUE(Make(vocab)->add_space_prefix());
  EXPECT_FALSE(Make(TinyByteLevelVocab("qwen2"))->add_bos());
  EXPECT_TRUE(Make(TinyByteLevelVocab("llama-bpe"))->add_bos());
  vocab = TinyByteLevelVocab("llama-bpe");
  vocab.bos.reset();
  EXPECT_FALSE(Make(vocab)->add_bos());
}

TEST(Tokenizer, SpacePrefixFollowsEverySpecialToken) {
  const auto tokenizer = Make(TinySentencePieceVocab(true));
  const std::vector<TokenId> tokens =
      tokenizer->Encode("hello<end_of_turn>hello",
                        {.special = SpecialTokens::kAll, .add_special = AddSpecial::kNever});
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokenizer->TokenBytes(tokens[0]), " hello");
  EXPECT_EQ(tokens[2], tokens[0]);
  EXPECT_EQ(tokenizer->Decode(tokens), "hellohello");
}

TEST(Tokenizer, AMergeCrossesASpaceWhereTheVocabularyDoes) {
  const auto tokenizer = Make(TinySentencePieceVocab());
  const std::vector<TokenId> tokens = tokenizer->Encode("> <");
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokenizer->TokenBytes(tokens[0]), "> <");
}

TEST(Tokenizer, ByteFallbackSpellsUnknownCharacters) {
  const auto tokenizer = Make(TinySentencePieceVocab());
  const std::vector<TokenId> tokens = tokenizer->Encode("\xE2\x82\xAC");  // euro sign
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokenizer->TokenBytes(tokens[0]), "\xE2");
  EXPECT_EQ(tokenizer->TokenText(tokens[0]), "\xEF\xBF\xBD");
  EXPECT_EQ(tokenizer->TokenText(*tokenizer->Find("<s>")), "<s>");
}

TEST(Tokenizer, FindsTheEndsOfAGeneration) {
  const auto chat = Make(TinyByteLevelVocab());
  EXPECT_TRUE(chat->IsEndOfGeneration(*chat->Find("<|im_end|>")));
  EXPECT_TRUE(chat->IsEndOfGeneration(*chat->Find("<|endoftext|>")));
  EXPECT_FALSE(chat->IsEndOfGeneration(*chat->Find("<|im_start|>")));
  EXPECT_FALSE(chat->IsEndOfGeneration(*chat->Find("hello")));
  EXPECT_FALSE(chat->IsEndOfGeneration(99999));
  const auto gemma = Make(TinySentencePieceVocab());
  EXPECT_TRUE(gemma->IsEndOfGeneration(*gemma->Find("</s>")));
  EXPECT_TRUE(gemma->IsEndOfGeneration(*gemma->Find("<end_of_turn>")));
  Vocab vocab = TinyByteLevelVocab();
  vocab.end_of_generation = {104, 1u << 30};
  EXPECT_TRUE(Make(vocab)->IsEndOfGeneration(104));
  // A model file that calls an end mark plain text does not open it to users.
  vocab.types[*Make(vocab)->Find("<|im_end|>")] = TokenType::kUserDefined;
  const auto mended = Make(vocab);
  EXPECT_TRUE(mended->IsControl(*mended->Find("<|im_end|>")));
}

TEST(Tokenizer, EndOfTextIsControlOnlyBesideItsBegin) {
  Vocab phi = TinySentencePieceVocab();
  phi.types[2] = TokenType::kUserDefined;  // </s>, as files of Phi-3 have it
  EXPECT_TRUE(Make(phi)->IsControl(2));
  phi.types[1] = TokenType::kUserDefined;  // <s> too: HTML, as in Gemma
  phi.eos.reset();
  EXPECT_FALSE(Make(phi)->IsControl(2));
  EXPECT_FALSE(Make(phi)->IsEndOfGeneration(2));
  EXPECT_EQ(Make(phi)->Encode("</s>"), std::vector<TokenId>{2});
}

TEST(Tokenizer, HarmonyMessagesDoNotEndTheAnswer) {
  Vocab vocab = TinyByteLevelVocab();
  const TokenId end = AddToken(vocab, "<|end|>", TokenType::kControl);
  EXPECT_TRUE(Make(vocab)->IsEndOfGeneration(end));
  const TokenId back = AddToken(vocab, "<|return|>", TokenType::kControl);
  EXPECT_FALSE(Make(vocab)->IsEndOfGeneration(end));
  EXPECT_TRUE(Make(vocab)->IsEndOfGeneration(back));
}

TEST(Tokenizer, IdsOutOfRangeAreHarmless) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  const TokenId beyond[] = {0xFFFFFFFF, static_cast<TokenId>(tokenizer->size())};
  EXPECT_EQ(tokenizer->Decode(beyond), "");
  EXPECT_EQ(tokenizer->TokenBytes(beyond[0]), "");
  EXPECT_EQ(tokenizer->TokenText(beyond[1]), "");
  EXPECT_TRUE(tokenizer->IsControl(beyond[0]));
  EXPECT_TRUE(tokenizer->IsControl(*tokenizer->Find("[PAD0]")));
}

TEST(Tokenizer, RefusesVocabulariesThatContradictThemselves) {
  const Vocab good = TinyByteLevelVocab();
  Vocab vocab = good;
  vocab.model = "rwkv";
  EXPECT_EQ(CreateError(vocab), ErrorCode::kUnsupported);
  vocab = good;
  vocab.pre_tokenizer = "nobody-knows";
  EXPECT_EQ(CreateError(vocab), ErrorCode::kUnsupported);
  vocab = good;
  vocab.types.pop_back();
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
  vocab = good;
  vocab.types[0] = static_cast<TokenType>(9);
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
  vocab = good;
  vocab.eos = static_cast<TokenId>(good.tokens.size());
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
  vocab = good;
  vocab.tokens.clear();
  vocab.types.clear();
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
  for (const char* merge : {"", " ", "ab", "a ", "a zz", "< |im_end|>"}) {
    vocab = good;
    vocab.merges.push_back(merge);
    EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt) << merge;
  }
  vocab = good;
  vocab.merges.clear();
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
  vocab = TinySentencePieceVocab();
  vocab.scores.pop_back();
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
  vocab = TinySentencePieceVocab();
  vocab.scores[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
  vocab = TinySentencePieceVocab();
  vocab.tokens[10] = "<0xZZ>";
  EXPECT_EQ(CreateError(vocab), ErrorCode::kCorrupt);
}

// Costs grow near-linearly: quadratic ones would take minutes here.
TEST(Tokenizer, LongTextsWithoutABreakEnd) {
  const auto byte_level = Make(TinyByteLevelVocab());
  const auto sentence_piece = Make(TinySentencePieceVocab());
  constexpr size_t kBytes = 1 << 18;
  std::string joined;
  while (joined.size() < kBytes) joined += "hello";
  for (const std::string& text : {std::string(kBytes, 'a'), std::string(kBytes, ' '),
                                  std::string(kBytes, '\n'), std::string(kBytes, '<'), joined}) {
    EXPECT_EQ(byte_level->Decode(byte_level->Encode(text)), text);
    EXPECT_EQ(sentence_piece->Decode(sentence_piece->Encode(text)), text);
  }
  EXPECT_EQ(byte_level->Encode(std::string(kBytes, 'a')).size(), kBytes / 4);
}

TEST(Tokenizer, NoTokenStandsForMoreBytesThanItSays) {
  std::string text = "<|endoftext|>";
  for (int i = 0; i < 500; ++i) text += "hello world ";
  for (const auto& tokenizer : {Make(TinyByteLevelVocab()), Make(TinySentencePieceVocab())}) {
    const size_t least = text.size() / tokenizer->token_bytes_max();
    EXPECT_GT(least, 100u);
    EXPECT_GE(tokenizer->Encode(text).size(), least);
    EXPECT_GE(tokenizer->Encode(text, {.special = SpecialTokens::kAll}).size(), least);
  }
}

TEST(Tokenizer, ThreadsShareOne) {
  const auto tokenizer = Make(TinyByteLevelVocab());
  const std::string text = "hello world, the thing is here: 1234 hello";
  const std::vector<TokenId> wanted = Make(TinyByteLevelVocab())->Encode(text);
  std::vector<std::vector<TokenId>> got(4);
  std::vector<std::thread> threads;
  for (auto& result : got)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) result = tokenizer->Encode(text);
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : got) EXPECT_EQ(result, wanted);
}

std::vector<std::string> Spelled(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> out;
  for (const TokenId token : tokenizer.Encode(text, {.add_special = AddSpecial::kNever}))
    out.push_back(tokenizer.TokenText(token));
  return out;
}

TEST(CharacterTokenizer, MergesByRankOverCharacters) {
  const auto tokenizer = Tokenizer::Create(TinyCharacterVocab());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  using Texts = std::vector<std::string>;
  EXPECT_EQ(Spelled(**tokenizer, "hello the"), (Texts{"hello", " the"}));
  // No space in front; a rule of lower rank goes first.
  EXPECT_EQ(Spelled(**tokenizer, "the  the"), (Texts{"the", " ", " the"}));
  // "a a" joins only two: "aaa" has no token and no rule.
  EXPECT_EQ(Spelled(**tokenizer, "aaa"), (Texts{"aa", "a"}));
  // A run of newlines that is a token stays whole though no rule leads there.
  EXPECT_EQ(Spelled(**tokenizer, "a\n\nt\n\n\n"), (Texts{"a", "\n\n", "t", "\n", "\n", "\n"}));
  EXPECT_EQ(Spelled(**tokenizer, "\xC3\xA9"), Texts{"\xC3\xA9"});
  EXPECT_EQ((*tokenizer)->Encode("\xC3\xA8", {.add_special = AddSpecial::kNever}).size(), 2u);
}

TEST(CharacterTokenizer, WhatItEncodesDecodesAgain) {
  const auto tokenizer = Tokenizer::Create(TinyCharacterVocab());
  ASSERT_TRUE(tokenizer);
  for (const char* text : {"hello the\n\n  caf\xC3\xA8", "x\xFFy", " \n \n"}) {
    const auto tokens = (*tokenizer)->Encode(text, {.add_special = AddSpecial::kNever});
    EXPECT_EQ((*tokenizer)->Decode(tokens), text);
  }
}

TEST(CharacterTokenizer, MergesOfUnknownTokensAreRefused) {
  Vocab vocab = TinyCharacterVocab();
  vocab.merges.push_back("z z");
  EXPECT_FALSE(Tokenizer::Create(vocab));
  vocab.merges = {};
  EXPECT_FALSE(Tokenizer::Create(vocab));
}

}  // namespace
}  // namespace infe::tokenizer
