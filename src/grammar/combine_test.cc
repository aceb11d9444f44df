#include "grammar/combine.h"

#include <random>

#include <gtest/gtest.h>

#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

Json Schema(std::string_view text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json);
  return *json;
}

// Free text or Hermes calls of two tools.
GrammarPtr Hermes(GrammarBuilder::CallLimits limits = {}) {
  GrammarBuilder b;
  const Json f = Schema(R"({"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],
                            "additionalProperties":false})");
  std::vector<GrammarBuilder::Part> tools;
  auto first = b.Call({.name = "f", .schema = &f, .mark = "call.0"});
  auto second = b.Call({.name = "g", .mark = "call.1"});
  EXPECT_TRUE(first && second);
  const auto call =
      b.Sequence({b.Choice({*first, *second}), b.Literal("\n</tool_call>"), b.Mark("done")});
  auto grammar = b.Build(b.TextAndCalls({{"<tool_call>", call}}, limits));
  EXPECT_TRUE(grammar);
  return *grammar;
}

constexpr std::string_view kCall = R"(<tool_call>
{"name": "f", "arguments": {"x": 12}}
</tool_call>)";

TEST(Combine, AutoTakesTextAndCallsButNoBrokenTrigger) {
  const GrammarPtr g = Hermes();
  EXPECT_TRUE(Takes(g, ""));
  EXPECT_TRUE(Takes(g, "hello <tool> there"));
  EXPECT_TRUE(Takes(g, "a\xFEz"));  // free text may be any bytes
  EXPECT_TRUE(Takes(g, kCall));
  EXPECT_TRUE(Takes(g, "Let me see. " + std::string(kCall)));
  EXPECT_TRUE(Takes(g, std::string(kCall) + "\n" + std::string(kCall) + " done"));
  EXPECT_FALSE(Takes(g, "<tool_call>"));
  EXPECT_FALSE(Takes(g, "<tool_call>=list"));
  EXPECT_FALSE(Takes(g, R"(<tool_call>
{"name": "h", "arguments": {}}
</tool_call>)"));
  EXPECT_FALSE(Takes(g, R"(<tool_call>
{"name": "f", "arguments": {"x": "12"}}
</tool_call>)"));
}

TEST(Combine, RequiredAsksForACallAndNoneForbidsIt) {
  const GrammarPtr required =
      Hermes({.min_calls = 1, .max_calls = 1, .text_before = false, .text_behind = false});
  EXPECT_TRUE(Takes(required, kCall));
  EXPECT_FALSE(Takes(required, ""));
  EXPECT_FALSE(Takes(required, "text"));
  EXPECT_FALSE(Takes(required, std::string(kCall) + std::string(kCall)));
  GrammarBuilder b;
  const auto none = b.Build(b.TextWithout({"<tool_call>"}));
  ASSERT_TRUE(none);
  EXPECT_TRUE(Takes(*none, "plain <tool"));
  EXPECT_FALSE(Takes(*none, "plain <tool_call>"));
}

TEST(Combine, EventsGiveTheBordersOfArgumentsHoweverTheTextIsCut) {
  const GrammarPtr g = Hermes();
  const std::string text =
      "hi " + std::string(kCall) + "\n" + R"(<tool_call>{"name":"g","arguments":{"a":[{}]}}
</tool_call>)";
  const auto trie = TestTrie();
  std::mt19937_64 random(3);
  std::vector<GrammarEvent> expected;
  for (int round = 0; round < 20; ++round) {
    // Cut at random into tokens of the vocabulary.
    auto matcher = NewMatcher(g, trie);
    std::vector<GrammarEvent> events;
    for (size_t at = 0; at < text.size();) {
      std::vector<uint32_t> fits;
      for (uint32_t t = 0; t < trie->vocab_size(); ++t)
        if (!trie->Bytes(t).empty() && text.compare(at, trie->Bytes(t).size(), trie->Bytes(t)) == 0)
          fits.push_back(t);
      const uint32_t token = fits[random() % fits.size()];
      ASSERT_TRUE(matcher->Accept(token)) << text.substr(at);
      at += trie->Bytes(token).size();
      const auto fresh = matcher->TakeEvents();
      events.insert(events.end(), fresh.begin(), fresh.end());
    }
    ASSERT_TRUE(matcher->IsComplete());
    if (expected.empty()) expected = events;
    EXPECT_EQ(events, expected);
  }
  std::vector<std::string> seen;
  for (const GrammarEvent& e : expected) seen.push_back(g->tags()[e.tag]);
  EXPECT_EQ(seen, (std::vector<std::string>{"call.0.begin", "call.0.end", "done", "call.1.begin",
                                            "call.1.end", "done"}));
  EXPECT_EQ(text.substr(expected[0].offset, expected[1].offset - expected[0].offset),
            " {\"x\": 12}");
  EXPECT_EQ(text.substr(expected[3].offset, expected[4].offset - expected[3].offset),
            "{\"a\":[{}]}");
}

TEST(Combine, MasksOfFreeTextAreExact) {
  const GrammarPtr g = Hermes();
  auto matcher = NewMatcher(g, TestTrie());
  for (const uint32_t token : ByteTokens("so <tool_call>\n{\"name\": \"f\", \"arg")) {
    ExpectMaskIsExact(*matcher, *TestTrie());
    ASSERT_TRUE(matcher->Accept(token));
  }
}

TEST(Combine, SpecialTokensAreReachedByIdOnly) {
  const auto trie = TestTrie();
  const uint32_t special = trie->vocab_size() - 1;
  GrammarBuilder b;
  const auto g =
      b.Build(b.Sequence({b.TextUpToSpecial(special, {}), b.Mark("after"), b.Literal("a")}));
  ASSERT_TRUE(g);
  auto matcher = NewMatcher(*g, trie);
  for (const uint32_t token : ByteTokens("[SPECIAL]")) ASSERT_TRUE(matcher->Accept(token));
  ExpectMaskIsExact(*matcher, *trie);
  EXPECT_FALSE(matcher->Allows(0xFF));
  ASSERT_TRUE(matcher->Accept(special));
  const auto events = matcher->TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].offset, 9u);
  EXPECT_TRUE(matcher->Accept('a'));
  EXPECT_TRUE(matcher->IsComplete());
}

TEST(Combine, RepeatCountsWithoutCopies) {
  GrammarBuilder b;
  const auto g = b.Build(b.Repeat(b.Literal("ab"), 2, 3));
  ASSERT_TRUE(g);
  EXPECT_FALSE(Takes(*g, "ab"));
  EXPECT_TRUE(Takes(*g, "abab"));
  EXPECT_TRUE(Takes(*g, "ababab"));
  EXPECT_FALSE(Takes(*g, "abababab"));
}

GrammarPtr Input(GrammarBuilder::TextSyntax syntax, std::string_view definition) {
  GrammarBuilder b;
  const auto part = b.TextObject({.syntax = syntax, .definition = definition});
  EXPECT_TRUE(part) << part.error().message;
  const auto grammar = b.Build(*part);
  EXPECT_TRUE(grammar) << grammar.error().message;
  return *grammar;
}

TEST(Combine, ATextObjectHoldsOneStringOfItsSyntax) {
  using Syntax = GrammarBuilder::TextSyntax;
  const GrammarPtr any = Input(Syntax::kAny, "");
  EXPECT_TRUE(Takes(any, R"({"input": "x \"\u0041\n"})"));
  EXPECT_FALSE(Takes(any, R"({"input": 1})"));
  EXPECT_FALSE(Takes(any, R"({})"));
  EXPECT_FALSE(Takes(any, R"({"input": "x", "more": 1})"));
  const GrammarPtr regex = Input(Syntax::kRegex, "^(?P<word>[a-z]+) \"\\d{2}\"$");
  EXPECT_TRUE(Takes(regex, R"({"input":"ab \"12\""})"));
  EXPECT_FALSE(Takes(regex, R"({"input":"ab \"1\""})"));
}

TEST(Combine, ATextOfALarkGrammarIsSpelledAsTheInsideOfAString) {
  const GrammarPtr g = Input(GrammarBuilder::TextSyntax::kLark, R"lark(start: expr
expr: term (SP ADD SP term)* -> add
    | term
term: INT | "(" expr ")" | STRING | "\n"
SP: " "
ADD: "+"
STRING: /"[^"]*"/
%import common.INT
)lark");
  EXPECT_TRUE(Takes(g, R"x({"input": "1 + (2 + 3)"})x"));
  EXPECT_TRUE(Takes(g, R"({"input": "\"a\\b\t\" + \n"})"));
  EXPECT_FALSE(Takes(g, R"({"input": "1 + (2"})"));
  EXPECT_FALSE(Takes(g, R"({"input": "1+2"})"));
  EXPECT_FALSE(Takes(g, R"({"input": ""})"));
  EXPECT_FALSE(Takes(g, "{\"input\": \"\"a\"\"}"));  // a bare quote ends the string
  auto matcher = NewMatcher(g, TestTrie());
  for (const uint32_t token : ByteTokens(R"({"input": "(\"x\" + )")) {
    ExpectMaskIsExact(*matcher, *TestTrie());
    ASSERT_TRUE(matcher->Accept(token));
  }
  EXPECT_EQ(matcher->FinishText(), "0)\"}");
}

TEST(Combine, InputsOfARandomWalkFollowTheirGrammarOnceDecoded) {
  const std::string_view lark = "start: \"a\" start \"\\\"\" | /[\\x00-\\x7f\u00e9]{2}/\n";
  const GrammarPtr inside = Input(GrammarBuilder::TextSyntax::kLark, lark);
  const auto plain = CompileLark(lark);
  ASSERT_TRUE(plain);
  std::mt19937_64 random(5);
  for (int i = 0; i < 50; ++i) {
    const auto text = RandomText(inside, TestTrie(), random, 30);
    ASSERT_TRUE(text);
    const auto json = ParseJson(*text);
    ASSERT_TRUE(json) << *text;
    EXPECT_TRUE(Takes(*plain, json->find("input")->as_string())) << *text;
  }
}

}  // namespace
}  // namespace infe::grammar
