#include "grammar/matcher.h"

#include <random>

#include <gtest/gtest.h>

#include "base/json.h"
#include "grammar/limits.h"
#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

GrammarPtr JsonMode(Whitespace whitespace = Whitespace::kBounded) {
  auto grammar = CompileJsonObject(whitespace);
  EXPECT_TRUE(grammar);
  return *grammar;
}

TEST(JsonMode, TakesObjectsAndNothingElse) {
  const GrammarPtr g = JsonMode();
  EXPECT_TRUE(Takes(g, R"({})"));
  EXPECT_TRUE(Takes(g, R"({"a": 1})"));
  EXPECT_TRUE(Takes(g, R"({"a":[1,-2.5e+3,true,false,null,"x",{}],"b":{"c":[]}})"));
  EXPECT_TRUE(Takes(g, "{\n  \"a\": [\n    1,\n    2\n  ]\n}"));
  EXPECT_FALSE(Takes(g, R"([1])"));
  EXPECT_FALSE(Takes(g, R"("a")"));
  EXPECT_FALSE(Takes(g, R"({"a":1)"));
  EXPECT_FALSE(Takes(g, R"({"a":1}})"));
  EXPECT_FALSE(Takes(g, R"({"a":01})"));
  EXPECT_FALSE(Takes(g, R"({"a":1,})"));
  EXPECT_FALSE(Takes(g, R"({a:1})"));
  EXPECT_FALSE(Takes(g, R"({"a":+1})"));
  EXPECT_FALSE(Takes(g, R"({"a":1.})"));
}

TEST(JsonMode, StringsFollowRfc8259AndUtf8) {
  const GrammarPtr g = JsonMode();
  EXPECT_TRUE(Takes(g, R"({"a":"\"\\\/\b\f\n\r\t\u00e9"})"));
  EXPECT_TRUE(Takes(g, R"({"a":"\ud83d\ude00"})"));
  EXPECT_FALSE(Takes(g, R"({"a":"\ud83d"})"));
  EXPECT_FALSE(Takes(g, R"({"a":"\ude00"})"));
  EXPECT_FALSE(Takes(g, R"({"a":"\ud83d\u0041"})"));
  EXPECT_FALSE(Takes(g, R"({"a":"\x"})"));
  EXPECT_FALSE(Takes(g, "{\"a\":\"\n\"}"));
  EXPECT_TRUE(Takes(g, "{\"a\":\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"}"));
  EXPECT_FALSE(Takes(g, "{\"a\":\"\xC3\"}"));
  EXPECT_FALSE(Takes(g, "{\"a\":\"\xC0\x80\"}"));          // overlong
  EXPECT_FALSE(Takes(g, "{\"a\":\"\xED\xA0\x80\"}"));      // a surrogate
  EXPECT_FALSE(Takes(g, "{\"a\":\"\xF4\x90\x80\x80\"}"));  // above U+10FFFF
}

TEST(JsonMode, KeysAreUnique) {
  const GrammarPtr g = JsonMode();
  EXPECT_FALSE(Takes(g, R"({"a":1,"a":2})"));
  EXPECT_TRUE(Takes(g, R"({"a":1,"aa":2})"));
  EXPECT_TRUE(Takes(g, R"({"a":{"a":1},"b":{"a":1}})"));
}

TEST(JsonMode, WhitespaceIsBounded) {
  const GrammarPtr g = JsonMode();
  EXPECT_TRUE(Takes(g, "{  \"a\": 1}"));
  EXPECT_FALSE(Takes(g, "{   \"a\": 1}"));
  EXPECT_TRUE(Takes(g, "{\n" + std::string(20, ' ') + "\"a\": 1}"));
  EXPECT_FALSE(Takes(g, "{\n" + std::string(21, ' ') + "\"a\": 1}"));
  EXPECT_FALSE(Takes(g, "{\n\n\"a\": 1}"));
  EXPECT_FALSE(Takes(g, " {}"));
  EXPECT_FALSE(Takes(g, "{} "));
  const GrammarPtr compact = JsonMode(Whitespace::kCompact);
  EXPECT_TRUE(Takes(compact, R"({"a":[1,2]})"));
  EXPECT_FALSE(Takes(compact, R"({"a": [1,2]})"));
  const GrammarPtr exact = JsonMode(Whitespace::kExact);
  EXPECT_TRUE(Takes(exact, R"({"a": [1, 2], "b": 3})"));
  EXPECT_FALSE(Takes(exact, R"({"a":[1,2]})"));
}

// The mask against the definition: a token may follow if its bytes can be read one by one.
TEST(Matcher, MaskEqualsTryingEveryToken) {
  const GrammarPtr g = JsonMode();
  const auto trie = TestTrie();
  const std::string text =
      R"({"a": [1, -2.5, "x\u00e9y", {"b": null, "": true}], "c": "\ud83d\ude00"})";
  auto matcher = NewMatcher(g, trie);
  for (const uint32_t token : ByteTokens(text)) {
    ExpectMaskIsExact(*matcher, *trie);
    ASSERT_TRUE(matcher->Accept(token));
  }
  ExpectMaskIsExact(*matcher, *trie);
  EXPECT_TRUE(matcher->IsComplete());
}

// The states of such patterns read most of the vocabulary alike, so their walks are made of each
// other; the quote closes in some of them only, and a window counts in others.
TEST(Matcher, MasksOfPatternsThatMayBeginAnywhereAreExact) {
  const auto trie = TestTrie();
  std::mt19937_64 random(11);
  for (const char* text :
       {R"({"type": "string", "pattern": "[0-9a-f]{2}-[0-9a-f]{2}"})",
        R"({"type": "string", "pattern": "a[ab]{3}x|foo"})",
        R"({"type": "string", "pattern": "(ab|the)+$", "minLength": 6})",
        R"({"type": "string", "pattern": "\\d{4}-01", "maxLength": 12})",
        R"({"anyOf": [{"type": "string", "pattern": "name"}, {"type": "string", "maxLength": 5},
            {"type": "integer"}]})",
        R"({"type": "array", "items": {"type": "string", "pattern": "20[0-9]{2}"}})",
        R"({"type": "array", "items": {"type": "string", "pattern": "([^a]|^)bar$"}})"}) {
    const auto grammar = CompileJsonSchema(*ParseJson(text));
    ASSERT_TRUE(grammar) << text;
    for (int round = 0; round < 6; ++round) {
      auto matcher = NewMatcher(*grammar, trie);
      for (int step = 0; step < 24; ++step) {
        ASSERT_EQ(MaskDifference(*matcher, *trie), "") << text;
        const auto mask = matcher->Mask();
        std::vector<uint32_t> allowed;
        for (uint32_t t = 0; t < mask->vocab_size; ++t)
          if (mask->Allows(t) && !trie->IsEnd(t)) allowed.push_back(t);
        if (allowed.empty()) break;
        ASSERT_TRUE(matcher->Accept(allowed[random() % allowed.size()]));
      }
    }
  }
}

TEST(Matcher, RandomWalksNeverStallAndAlwaysParse) {
  const GrammarPtr g = JsonMode();
  const auto trie = TestTrie();
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    const auto text = RandomText(g, trie, random, 60);
    ASSERT_TRUE(text.has_value());
    const auto parsed = ParseJson(*text, {.depth = 1000});
    ASSERT_TRUE(parsed) << *text;
    EXPECT_TRUE(parsed->is_object());
  }
}

TEST(Matcher, RollbackAndForkGoBackToTheSameMasks) {
  const GrammarPtr g = JsonMode();
  const auto trie = TestTrie();
  auto matcher = NewMatcher(g, trie);
  std::vector<std::vector<uint64_t>> masks;
  const auto tokens = ByteTokens(R"({"a":[1,{"b":"c"}]})");
  for (const uint32_t token : tokens) {
    const auto mask = matcher->Mask();
    ASSERT_TRUE(mask);
    masks.emplace_back(mask->words.begin(), mask->words.end());
    ASSERT_TRUE(matcher->Accept(token));
  }
  const auto fork = matcher->Fork();
  for (size_t back = 0; back < tokens.size(); ++back) {
    matcher->Rollback(1);
    const auto mask = matcher->Mask();
    ASSERT_TRUE(mask);
    EXPECT_TRUE(std::ranges::equal(mask->words, masks[tokens.size() - 1 - back]));
  }
  EXPECT_TRUE(fork->IsComplete());
  EXPECT_FALSE(matcher->IsComplete());
}

TEST(Matcher, EndTokensAreLegalExactlyWhereTheTextIsComplete) {
  const GrammarPtr g = JsonMode();
  auto matcher = NewMatcher(g, TestTrie());
  EXPECT_FALSE(matcher->Allows(kTestEnd));
  EXPECT_FALSE(matcher->Accept(kTestEnd));
  for (const uint32_t token : ByteTokens("{}")) ASSERT_TRUE(matcher->Accept(token));
  EXPECT_TRUE(matcher->Allows(kTestEnd));
  ASSERT_TRUE(matcher->Accept(kTestEnd));
  EXPECT_TRUE(matcher->IsComplete());
  const auto mask = matcher->Mask();
  ASSERT_TRUE(mask);
  EXPECT_EQ(mask->Count(), 0u);
}

TEST(Matcher, FinishTextCompletesWithinItsBound) {
  const GrammarPtr g = JsonMode();
  const auto trie = TestTrie();
  auto matcher = NewMatcher(g, trie);
  const std::string text = R"({"a": [1, {"b": "c\)";
  for (const uint32_t token : ByteTokens(text)) ASSERT_TRUE(matcher->Accept(token));
  const auto bound = matcher->FinishBound();
  const auto finish = matcher->FinishText();
  ASSERT_TRUE(bound && finish);
  EXPECT_LE(finish->size(), *bound);
  EXPECT_TRUE(ParseJson(text + *finish)) << text + *finish;
  // Any token of the shrunken mask, again and again.
  size_t steps = 0;
  while (!matcher->IsComplete()) {
    const auto mask = matcher->MaskToFinish();
    ASSERT_TRUE(mask);
    uint32_t token = 0;
    while (!mask->Allows(token)) ++token;
    ASSERT_TRUE(matcher->Accept(token));
    ASSERT_LE(++steps, *bound);
  }
}

// The fewest tokens that a text can be written in, by trying every token at every byte.
size_t FewestTokens(const TokenTrie& trie, std::string_view text) {
  std::vector<size_t> fewest(text.size() + 1, SIZE_MAX - 1);
  fewest[text.size()] = 0;
  for (size_t at = text.size(); at-- > 0;)
    for (uint32_t t = 0; t < trie.vocab_size(); ++t)
      if (!trie.Bytes(t).empty() && text.substr(at).starts_with(trie.Bytes(t)))
        fewest[at] = std::min(fewest[at], fewest[at + trie.Bytes(t).size()] + 1);
  return fewest[0];
}

TEST(Matcher, FinishTokensAreTheFewestTokensOfTheFinishingText) {
  const auto trie = TestTrie();
  const char* schemas[] = {
      R"({"type":"object","properties":{"name":{"type":"string"},"a":{"type":"array","minItems":3,
          "items":{"type":"object","properties":{"b":{"enum":["foo","the"]},"c":{"type":"boolean"}},
          "required":["b","c"],"additionalProperties":false}}},"required":["name","a"],
          "additionalProperties":false})",
      R"({"type":"array","minItems":4,"uniqueItems":true,"items":{"type":"string","minLength":2}})",
      R"({"type":"object","minProperties":3,"additionalProperties":{"type":"number"}})"};
  std::mt19937_64 random(5);
  for (const char* schema : schemas) {
    const auto g = CompileJsonSchema(*ParseJson(schema));
    ASSERT_TRUE(g);
    for (int round = 0; round < 30; ++round) {
      auto matcher = NewMatcher(*g, trie);
      std::string text;
      for (size_t length = random() % 40; length > 0; --length) {
        const auto mask = matcher->Mask();
        ASSERT_TRUE(mask);
        std::vector<uint32_t> allowed;
        for (uint32_t t = 0; t < mask->vocab_size; ++t)
          if (mask->Allows(t) && !trie->IsEnd(t)) allowed.push_back(t);
        if (allowed.empty()) break;
        const uint32_t token = allowed[random() % allowed.size()];
        ASSERT_TRUE(matcher->Accept(token));
        text += trie->Bytes(token);
      }
      const auto finish = matcher->FinishText();
      const auto tokens = matcher->FinishTokens();
      ASSERT_TRUE(finish && tokens) << text;
      EXPECT_EQ(*tokens, FewestTokens(*trie, *finish)) << *finish;
      for (const uint32_t token : ByteTokens(*finish)) ASSERT_TRUE(matcher->Accept(token));
      EXPECT_TRUE(matcher->IsComplete()) << *finish;
      EXPECT_EQ(matcher->FinishTokens(), 0u);
    }
  }
}

TEST(Matcher, AWayThatIsTooLongIsNotSpelled) {
  const auto trie = TestTrie();
  for (const char* least : {"1000000", "40000"}) {
    const auto g = CompileJsonSchema(*ParseJson(
        fmt::format(R"({{"type":"array","minItems":{},"items":{{"type":"boolean"}}}})", least)));
    ASSERT_TRUE(g);
    auto matcher = NewMatcher(*g, trie);
    ASSERT_TRUE(matcher->Accept('['));
    EXPECT_GT(matcher->FinishBound(), kFinishBytesMax);
    EXPECT_EQ(matcher->FinishTokens(), std::nullopt);
    EXPECT_EQ(matcher->FinishText(), std::nullopt);
    const auto mask = matcher->MaskToFinish();  // falls back to the whole mask
    ASSERT_TRUE(mask);
    EXPECT_TRUE(mask->Allows('t'));
  }
}

TEST(Matcher, ForcedBytesAreWhatMustFollow) {
  const GrammarPtr g = JsonMode(Whitespace::kCompact);
  auto matcher = NewMatcher(g, TestTrie());
  EXPECT_EQ(matcher->ForcedBytes(), "{");
  for (const uint32_t token : ByteTokens(R"({"a":t)")) ASSERT_TRUE(matcher->Accept(token));
  EXPECT_EQ(matcher->ForcedBytes(), "rue");
}

TEST(Matcher, DraftsAreTakenUpToTheFirstIllegalToken) {
  auto matcher = NewMatcher(JsonMode(), TestTrie());
  EXPECT_EQ(matcher->AcceptPrefix(ByteTokens(R"({"a":x})")), 5u);
  EXPECT_EQ(matcher->AcceptPrefix(ByteTokens("1}")), 2u);
  EXPECT_TRUE(matcher->IsComplete());
}

TEST(Matcher, PassesAnEndOnlyAtTheCommaOfAnOptionalItem) {
  const auto passes = [](const GrammarPtr& g, std::string_view before, std::string_view token) {
    auto matcher = NewMatcher(g, TestTrie());
    for (const uint32_t t : ByteTokens(before)) EXPECT_TRUE(matcher->Accept(t)) << before;
    for (uint32_t t = 0; t < TestTrie()->vocab_size(); ++t)
      if (TestTrie()->Bytes(t) == token) return matcher->PassesAnEnd(t);
    ADD_FAILURE() << "no token " << token;
    return false;
  };
  const auto any = *CompileJsonObject();
  EXPECT_TRUE(passes(any, R"({"a": 1)", ","));
  EXPECT_TRUE(passes(any, R"({"a": "x)", "\","));
  EXPECT_TRUE(passes(any, R"({"a": [1)", ","));
  EXPECT_TRUE(passes(any, R"({"a": {"b": "c)", "\"},"));
  EXPECT_FALSE(passes(any, R"({"a": "x)", "},"));  // inside the string, and no new word
  EXPECT_FALSE(passes(any, R"({"a": "x)", "ab"));
  EXPECT_TRUE(passes(any, R"({"a": "x)", " the"));
  EXPECT_FALSE(passes(any, R"({"a": )", " \""));
  EXPECT_FALSE(passes(any, R"({"a": [1)", "]"));
  const auto closed =
      CompileJsonSchema(*ParseJson(R"({"type":"object","properties":{"a":{"type":"array",
      "items":{"type":"integer"},"minItems":2},"b":{"type":"string","minLength":9},"c":{}},
      "required":["a","b"],"additionalProperties":false})"));
  ASSERT_TRUE(closed);
  EXPECT_FALSE(passes(*closed, R"({"a": [1)", ","));      // two are asked for
  EXPECT_TRUE(passes(*closed, R"({"a": [1, 2)", ","));    // a third is not
  EXPECT_FALSE(passes(*closed, R"({"a": [1, 2])", ","));  // b is
  EXPECT_FALSE(passes(*closed, R"({"a": [1, 2], "b": "x)", ","));
  EXPECT_TRUE(passes(*closed, R"({"a": [1, 2], "b": "123456789)", "\","));  // c is not
}

TEST(Matcher, PassesAnEndWithTheFirstItemToo) {
  const auto passes = [](const GrammarPtr& g, std::string_view before, std::string_view token) {
    auto matcher = NewMatcher(g, TestTrie());
    for (const uint32_t t : ByteTokens(before)) EXPECT_TRUE(matcher->Accept(t)) << before;
    for (uint32_t t = 0; t < TestTrie()->vocab_size(); ++t)
      if (TestTrie()->Bytes(t) == token) return matcher->PassesAnEnd(t);
    ADD_FAILURE() << "no token " << token;
    return false;
  };
  const auto any = *CompileJsonObject();
  EXPECT_TRUE(passes(any, R"({"a": [)", "[["));
  EXPECT_TRUE(passes(any, R"({"a": [)", " \""));
  EXPECT_TRUE(passes(any, "{\"a\": [\n  ", "12"));
  EXPECT_TRUE(passes(any, R"({"a": )", "[\""));
  EXPECT_TRUE(passes(any, R"({"a": {)", "\"name\""));
  EXPECT_FALSE(passes(any, R"({"a": [)", "]"));
  EXPECT_FALSE(passes(any, R"({"a": [)", "]}"));
  EXPECT_FALSE(passes(any, R"({"a": "[)", "12"));
  EXPECT_FALSE(passes(any, R"({"a": [1)", "2020"));
  const auto closed = CompileJsonSchema(*ParseJson(
      R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"},"minItems":1}},
          "required":["a"]})"));
  ASSERT_TRUE(closed);
  EXPECT_FALSE(passes(*closed, "{", "\"a\":"));
  EXPECT_FALSE(passes(*closed, R"({"a": [)", "12"));
}

// A matcher of the grammar behind a text.
std::unique_ptr<Matcher> Behind(const GrammarPtr& g, std::string_view text) {
  auto matcher = NewMatcher(g, TestTrie());
  for (const uint32_t t : ByteTokens(text)) EXPECT_TRUE(matcher->Accept(t)) << text;
  return matcher;
}

uint32_t TokenOf(std::string_view bytes) {
  for (uint32_t t = 0; t < TestTrie()->vocab_size(); ++t)
    if (TestTrie()->Bytes(t) == bytes) return t;
  ADD_FAILURE() << "no token " << bytes;
  return kNoToken;
}

TEST(Matcher, ATextIsWholeWhereNothingBegunCouldGoOn) {
  const auto whole = [](const GrammarPtr& g, std::string_view text) {
    return Behind(g, text)->IsWhole();
  };
  const auto any = *CompileJsonObject();
  EXPECT_TRUE(whole(any, R"({"a": 1})"));
  EXPECT_FALSE(whole(any, R"({"a": 1)"));
  const auto integer = *CompileJsonSchema(*ParseJson(R"({"type":"integer"})"));
  EXPECT_TRUE(Behind(integer, "12")->IsComplete());
  EXPECT_FALSE(whole(integer, "12"));
  const auto text = *CompileJsonSchema(*ParseJson(R"({"type":"string"})"));
  EXPECT_TRUE(whole(text, R"("a")"));
  EXPECT_FALSE(whole(*CompileRegex("[a-z]+"), "ab"));
  EXPECT_TRUE(whole(*CompileRegex("[a-z]{2}"), "ab"));
  EXPECT_FALSE(whole(*CompileChoice({"ab", "abc"}), "ab"));
  EXPECT_TRUE(whole(*CompileChoice({"ab", "abc"}), "abc"));
}

TEST(Matcher, WhatTheTextCouldDoWithoutIsOptional) {
  const auto begins = [](const GrammarPtr& g, std::string_view before, std::string_view token) {
    return Behind(g, before)->BeginsOptional(TokenOf(token));
  };
  const auto any = *CompileJsonObject();
  EXPECT_TRUE(begins(any, R"({"a": 1)", ","));
  EXPECT_TRUE(begins(any, R"({"a": )", "[["));
  EXPECT_FALSE(begins(any, R"({"a": "x)", " the"));
  EXPECT_FALSE(begins(any, R"({"a": )", "[]"));
  const auto several = *CompileRegex("ab(-ab)*");
  EXPECT_TRUE(begins(several, "ab", "-"));
  EXPECT_FALSE(begins(several, "", "ab"));
  EXPECT_FALSE(begins(several, "ab-", "ab"));
  const auto word = *CompileRegex("[a-z]+");
  EXPECT_FALSE(begins(word, "a", "abc"));
}

TEST(Matcher, AStringsPlaceIsKnown) {
  using Place = Matcher::StringPlace;
  const auto place = [](std::string_view text) {
    return Behind(*CompileJsonObject(), text)->InStringValue();
  };
  EXPECT_EQ(place(R"({"a": ")"), Place::kStart);
  EXPECT_EQ(place(R"({"a": "x)"), Place::kInside);
  EXPECT_EQ(place(R"({"a": "\")"), Place::kInside);
  EXPECT_EQ(place(R"({"a": "\\)"), Place::kInside);
  EXPECT_EQ(place(R"({"a": "x")"), Place::kOutside);
  EXPECT_EQ(place(R"({")"), Place::kOutside);
  EXPECT_EQ(place(R"({"a": [1)"), Place::kOutside);
}

TEST(Matcher, ALongKeyIsOneThatNoSchemaNames) {
  const auto in_long_key = [](const GrammarPtr& g, const std::string& text) {
    auto matcher = NewMatcher(g, TestTrie());
    for (const uint32_t t : ByteTokens(text)) EXPECT_TRUE(matcher->Accept(t)) << text;
    return matcher->InLongKey();
  };
  const auto any = *CompileJsonObject();
  const std::string many(64, 'a');
  EXPECT_TRUE(in_long_key(any, "{\"" + many));
  EXPECT_TRUE(in_long_key(any, R"({"a": {"\"\\)" + many));
  EXPECT_FALSE(in_long_key(any, "{\"" + many.substr(1)));
  EXPECT_FALSE(in_long_key(any, R"({"a": ")" + many));
  const auto named =
      CompileJsonSchema(*ParseJson("{\"type\":\"object\",\"properties\":{\"" + many + many +
                                   "\":{}},\"additionalProperties\":false,\"minProperties\":1}"));
  ASSERT_TRUE(named);
  EXPECT_FALSE(in_long_key(*named, "{\"" + many));
}

}  // namespace
}  // namespace infe::grammar
