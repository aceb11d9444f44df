// Texts that are brought to their end before a limit, under real grammars: how they end is told
// truly, and nothing is begun only to be closed.
#include <gtest/gtest.h>

#include "engine/core.h"
#include "engine/test_support.h"
#include "grammar/combine.h"
#include "grammar/test_vocab.h"

namespace infe::engine {
namespace {

using grammar::TestTrie;

grammar::GrammarPtr Schema(std::string_view text) {
  auto made = grammar::CompileJsonSchema(*ParseJson(text));
  EXPECT_TRUE(made);
  return *made;
}

// Calls with one string each, as many as the model likes, at least one.
grammar::GrammarPtr Calls() {
  grammar::GrammarBuilder b;
  const Json schema = *ParseJson(
      R"({"type":"object","properties":{"name":{"type":"string"}},"required":["name"],
          "additionalProperties":false})");
  const auto arguments = b.JsonSchema(schema);
  EXPECT_TRUE(arguments);
  const auto call = b.Sequence({b.Literal("<tool_call>"), *arguments, b.Literal("</tool_call>")});
  auto made = b.Build(b.Sequence({call, b.Repeat(call, 0, 15)}));
  EXPECT_TRUE(made);
  return *made;
}

struct Answer {
  std::string text;
  FinishReason reason = FinishReason::kError;
  size_t tokens = 0;
};

TokenId TokenOf(std::string_view bytes) {
  for (uint32_t t = 0; t < TestTrie()->vocab_size(); ++t)
    if (TestTrie()->Bytes(t) == bytes) return t;
  ADD_FAILURE() << "no token " << bytes;
  return 0;
}

// bias: texts of tokens that the model likes, or not, beside its random likings.
Answer Ask(const grammar::GrammarPtr& grammar, uint64_t seed, uint32_t max_tokens,
           const std::vector<std::pair<std::string_view, float>>& bias = {}) {
  const uint32_t vocabulary = TestTrie()->vocab_size();
  Bench bench({.vocabulary = vocabulary});
  EngineRequest request =
      MakeRequest(RandomTokens(seed, 20, vocabulary), max_tokens, Sampled(seed));
  request.matcher = grammar::NewMatcher(grammar, TestTrie());
  request.end_tokens = {grammar::kTestEnd};
  for (const auto& [text, by] : bias)
    request.sampling.logit_bias.emplace_back(text.empty() ? grammar::kTestEnd : TokenOf(text), by);
  const auto sink = bench.Add(std::move(request));
  bench.RunAll();
  Answer answer;
  answer.reason = sink->last.reason;
  answer.tokens = sink->tokens.size();
  for (const TokenId token : sink->tokens) answer.text += TestTrie()->Bytes(token);
  return answer;
}

TEST(CoreClosing, ATextThatItsGrammarCompletedEndsWithStop) {
  const auto list = Schema(
      R"({"type":"array","items":{"type":"object","properties":{"a":{"type":"boolean"},
          "b":{"type":"string"}},"required":["a","b"],"additionalProperties":false}})");
  size_t at_the_limit = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const uint32_t most = 24 + seed % 30;
    const Answer answer = Ask(list, seed, most, {{"]", -9}, {"]]", -9}, {"y]", -9}, {"[]", -9}});
    EXPECT_TRUE(ParseJson(answer.text)) << answer.text;
    EXPECT_EQ(answer.reason, FinishReason::kStop) << answer.text;
    at_the_limit += answer.tokens == most;
  }
  EXPECT_GT(at_the_limit, 0u);  // also where the end token itself had no room
}

TEST(CoreClosing, WhatTheLimitCutsEndsWithLength) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    // A number could go on, and so could free text.
    EXPECT_EQ(Ask(Schema(R"({"type":"integer"})"), seed, 3, {{"", -99}}).reason,
              FinishReason::kLength);
    EXPECT_EQ(Ask(*grammar::CompileRegex("[a-z ]+"), seed, 5, {{"", -99}}).reason,
              FinishReason::kLength);
    // Less than the shortest text takes.
    const Answer cut = Ask(
        Schema(R"({"type":"object","properties":{"name":{"type":"string"},"ab":{"type":"string"}},
                   "required":["name","ab"],"additionalProperties":false})"),
        seed, 4);
    EXPECT_EQ(cut.reason, FinishReason::kLength);
    EXPECT_FALSE(ParseJson(cut.text)) << cut.text;
  }
}

TEST(CoreClosing, NoCallIsBegunThatHasNoRoom) {
  const auto calls = Calls();
  size_t several = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    // A model that would go on calling, with long names.
    const Answer answer = Ask(calls, seed, 40 + seed % 25,
                              {{"", -9}, {"the", 3}, {"\"", 2}, {"\"\"", -9}, {"\"}", 4}});
    // Not kLength either: no string of a call was closed empty for want of room.
    EXPECT_EQ(answer.reason, FinishReason::kStop) << answer.text;
    EXPECT_TRUE(answer.text.ends_with("</tool_call>")) << answer.text;
    several += answer.text.find("</tool_call><tool_call>") != std::string::npos;
  }
  EXPECT_GT(several, 5u);  // where there is room more are begun
}

TEST(CoreClosing, AStringLeavesRoomForThoseThatFollow) {
  const auto form = Schema(
      R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"},
          "name":{"type":"string"}},"required":["a","b","name"],"additionalProperties":false})");
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    // A model that never closes a string by itself.
    std::vector<std::pair<std::string_view, float>> bias;
    for (const char* quote : {"\"", "\"}", "\",", "\", \"", "\",\"", "\"}}", "\"]", "\"},", "foo\"",
                              "bar\",", "a\"", "aa\"", "aaa\"", "\"\""})
      bias.emplace_back(quote, -9);
    const Answer answer = Ask(form, seed, 40, bias);
    const auto parsed = ParseJson(answer.text);
    ASSERT_TRUE(parsed) << answer.text;
    EXPECT_EQ(answer.reason, FinishReason::kStop);
    for (const auto& [key, value] : parsed->object()) EXPECT_NE(value.as_string(), "") << key;
  }
}

// Two tools, one with a short name and nothing to say.
grammar::GrammarPtr TwoTools() {
  grammar::GrammarBuilder b;
  const Json say = *ParseJson(
      R"({"type":"object","properties":{"name":{"type":"string"},"ab":{"type":"string"}},
          "required":["name","ab"],"additionalProperties":false})");
  const Json nothing = *ParseJson(R"({"type":"object","additionalProperties":false})");
  const auto long_one = b.Call({.name = "name_of_it", .schema = &say});
  const auto short_one = b.Call({.name = "a", .schema = &nothing});
  EXPECT_TRUE(long_one && short_one);
  auto made = b.Build(b.Choice({*long_one, *short_one}));
  EXPECT_TRUE(made);
  return *made;
}

// A model that would say "a", or would rather begin with n.
enum class Wish { kShort, kLong };
std::vector<std::pair<std::string_view, float>> Wishes(Wish wish) {
  const float by = wish == Wish::kShort ? 50 : -50;
  std::vector<std::pair<std::string_view, float>> bias;
  for (uint32_t t = 0; t < TestTrie()->vocab_size(); ++t) {
    const std::string_view bytes = TestTrie()->Bytes(t);
    if (bytes.starts_with("a") || bytes.find("\"a") != std::string_view::npos)
      bias.emplace_back(bytes, by);
    if (bytes.starts_with("n") || bytes.find("\"n") != std::string_view::npos)
      bias.emplace_back(bytes, -by);
  }
  return bias;
}

TEST(CoreClosing, TheLimitNeverChoosesTheTool) {
  const auto tools = TwoTools();
  auto shortest = grammar::NewMatcher(tools, TestTrie());
  const auto least = static_cast<uint32_t>(*shortest->FinishTokens());
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    // There is room for the short one only.
    const Answer answer = Ask(tools, seed, least + 2, Wishes(Wish::kLong));
    EXPECT_EQ(answer.text.find(R"("a")"), std::string::npos) << answer.text;
    EXPECT_EQ(answer.reason, FinishReason::kLength) << answer.text;
    EXPECT_EQ(answer.tokens, least + 2);
    const Answer other = Ask(tools, seed, least + 2, Wishes(Wish::kShort));
    EXPECT_EQ(other.reason, FinishReason::kStop) << other.text;
    EXPECT_NE(other.text.find(R"("a")"), std::string::npos) << other.text;
  }
}

TEST(CoreClosing, TheLimitNeverChoosesAValueOfAList) {
  const auto list = Schema(
      R"({"type":"object","properties":{"ab":{"enum":["a","name and name and name"]}},
          "required":["ab"],"additionalProperties":false})");
  auto shortest = grammar::NewMatcher(list, TestTrie());
  const auto least = static_cast<uint32_t>(*shortest->FinishTokens());
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Answer answer = Ask(list, seed, least + 2, Wishes(Wish::kLong));
    EXPECT_EQ(answer.text.find(R"("a")"), std::string::npos) << answer.text;
    EXPECT_EQ(answer.reason, FinishReason::kLength) << answer.text;
  }
}

TEST(CoreClosing, AStringThatHadNoRoomAtAllIsToldByLength) {
  const auto form = Schema(
      R"({"type":"object","properties":{"name":{"type":"string"}},"required":["name"],
          "additionalProperties":false})");
  auto shortest = grammar::NewMatcher(form, TestTrie());
  const auto least = static_cast<uint32_t>(*shortest->FinishTokens());
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Answer answer = Ask(form, seed, least, {{"\"\"", -99}, {"a", 5}});
    EXPECT_TRUE(ParseJson(answer.text)) << answer.text;
    EXPECT_EQ(answer.reason, FinishReason::kLength) << answer.text;
  }
}

}  // namespace
}  // namespace infe::engine
