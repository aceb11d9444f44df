// What a running grammar may take: every call has a budget, what runs out leaves nothing wrong
// behind, and memory is counted as it is used.
#include <random>

#include <gtest/gtest.h>
#include <malloc.h>

#include "base/json.h"
#include "grammar/limits.h"
#include "grammar/matcher.h"
#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

GrammarPtr Schema(std::string_view text, const SchemaOptions& options = {}) {
  const auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  auto grammar = CompileJsonSchema(*json, options);
  EXPECT_TRUE(grammar) << text << (grammar ? "" : grammar.error().message);
  return grammar ? *grammar : nullptr;
}

GrammarPtr Regex(std::string_view pattern) {
  auto grammar = CompileRegex(pattern);
  EXPECT_TRUE(grammar) << pattern;
  return grammar ? *grammar : nullptr;
}

// An object of so many optional properties.
std::string ManyProperties(int count, std::string_view more) {
  std::string schema = R"({"type":"object","properties":{)";
  for (int i = 0; i < count; ++i)
    schema += fmt::format(R"({}"p{}":{{"type":"string"}})", i == 0 ? "" : ",", i);
  return schema + "}" + std::string(more) + "}";
}

std::string InObject(std::vector<std::string> patterns) {
  Json properties = Json::MakeObject();
  for (size_t i = 0; i < patterns.size(); ++i) {
    Json value = Json::MakeObject();
    value.set("type", "string");
    value.set("pattern", patterns[i]);
    properties.set(fmt::format("k{}", i), std::move(value));
  }
  Json schema = Json::MakeObject();
  schema.set("type", "object");
  schema.set("properties", std::move(properties));
  schema.set("required", Json::MakeArray());
  return schema.Dump();
}

std::vector<std::pair<std::string, GrammarPtr>> Everyday() {
  return {
      {"any object", *CompileJsonObject()},
      {"open object", Schema(R"({"properties":{"a":{"type":"integer"},"b":{"type":"string",
        "minLength":2,"maxLength":5}},"required":["b"]})")},
      {"many keys",
       Schema(ManyProperties(40, R"(,"minProperties":10,"additionalProperties":true)"))},
      {"tree", Schema(R"({"$defs":{"t":{"type":"object","properties":{"n":{"type":"number",
        "minimum":-3,"maximum":1234},"c":{"type":"array","items":{"$ref":"#/$defs/t"}}},
        "required":["n"],"additionalProperties":false}},"$ref":"#/$defs/t"})")},
      {"unique", Schema(R"({"type":"array","uniqueItems":true,"items":{"enum":["a","ab","abc",
        "foo","bar",1,12,true]},"minItems":2})")},
      {"contains", Schema(R"({"type":"array","contains":{"const":"a"},"minContains":2,
        "maxContains":3,"items":{"type":"string"},"minItems":3})")},
      {"pattern", Schema(InObject({"^[ab]*a[ab]{4}$", "^(.*a){3}$"}))},
      {"gbnf", *CompileGbnf("root ::= e\ne ::= t (\"+\" t)*\nt ::= [0-9]+ | \"(\" e \")\"\n")},
      {"regex", Regex("(a{3}){3}|(foo|bar)+ ?x{2,40}")},
  };
}

// Asks until there is an answer, each time with twice the fuel.
template <typename AskFunction>
auto AskInPieces(Matcher& matcher, uint64_t first, const AskFunction& ask) {
  for (uint64_t steps = first;; steps *= 2) {
    Fuel fuel({.steps = steps});
    matcher.SetFuel(&fuel);
    auto answer = ask(matcher);
    matcher.SetFuel(nullptr);
    if (!fuel.empty()) return answer;
  }
}

template <typename AskFunction>
void ExpectSame(Matcher& pieces, Matcher& whole, uint64_t first, const AskFunction& ask) {
  const auto expected = ask(whole);
  EXPECT_EQ(AskInPieces(pieces, first, ask), expected);
}

std::vector<uint64_t> Words(const Result<TokenMaskView>& mask) {
  if (!mask) return {};
  return {mask->words.begin(), mask->words.end()};
}

TEST(RunningBounds, AnInterruptedMatcherAnswersAsOneThatWasLeftInPeace) {
  const auto trie = TestTrie();
  for (const auto& [name, grammar] : Everyday()) {
    for (const uint64_t first : {1u, 7u, 300u}) {
      SCOPED_TRACE(fmt::format("{}, {} steps at first", name, first));
      auto whole = NewMatcher(grammar, trie);
      auto pieces = NewMatcher(grammar, trie);
      std::mt19937_64 random(first);
      for (int count = 0; count < 60; ++count) {
        const std::vector<uint64_t> mask = Words(whole->Mask());
        const auto in_pieces =
            AskInPieces(*pieces, first, [](Matcher& m) { return Words(m.Mask()); });
        ASSERT_EQ(in_pieces, mask) << count;
        std::vector<uint32_t> allowed;
        for (uint32_t t = 0; t < trie->vocab_size(); ++t)
          if ((mask[t / 64] >> (t % 64)) & 1) allowed.push_back(t);
        ASSERT_FALSE(allowed.empty());
        const uint32_t token = allowed[random() % allowed.size()];
        ExpectSame(*pieces, *whole, first, [](Matcher& m) { return m.FinishBound(); });
        ExpectSame(*pieces, *whole, first, [](Matcher& m) { return m.FinishTokens(); });
        ExpectSame(*pieces, *whole, first, [](Matcher& m) { return m.FinishText(); });
        ExpectSame(*pieces, *whole, first, [](Matcher& m) { return Words(m.MaskToFinish()); });
        ExpectSame(*pieces, *whole, first, [](Matcher& m) { return m.ForcedBytes(); });
        ExpectSame(*pieces, *whole, first, [](Matcher& m) { return m.InLongKey(); });
        ExpectSame(*pieces, *whole, first, [&](Matcher& m) { return m.PassesAnEnd(token); });
        ExpectSame(*pieces, *whole, first, [&](Matcher& m) { return m.Allows(token); });
        if (trie->IsEnd(token)) break;
        ASSERT_TRUE(whole->Accept(token));
        ASSERT_TRUE(
            AskInPieces(*pieces, first, [&](Matcher& m) { return m.Accept(token).has_value(); }));
      }
    }
  }
}

// Grammars that are small to write and dear to run.
std::vector<std::pair<std::string, Result<GrammarPtr>>> Dear() {
  const auto schema = [](const std::string& text) { return CompileJsonSchema(*ParseJson(text)); };
  std::string nullables = "root ::= a*\na ::= ";
  for (int i = 0; i < 300; ++i) nullables += fmt::format("{}n{}", i == 0 ? "" : " | ", i);
  for (int i = 0; i < 300; ++i)
    nullables += fmt::format("\nn{} ::= \"\" | a \"x\" n{}", i, (i * 7) % 300);
  return {
      {"300 optional properties, at least 100",
       schema(ManyProperties(300, R"(,"minProperties":100,"additionalProperties":true)"))},
      {"the same in any order, closed",
       schema(ManyProperties(300, R"(,"minProperties":100,"additionalProperties":false)"))},
      {"two patterns", schema(InObject({"[ab]*a[ab]{12}", "^(.*a){10}$"}))},
      {"look-ahead", schema(InObject({R"(^(?=.{1,200}$)(.{1,40}\.){1,90}[a-z]+$)"}))},
      {"repeats of repeats", CompileRegex("(a{1000}){1000}")},
      {"choices of repeats", CompileRegex("((a|b|ab){1,300}c?){1,300}")},
      {"nullable rules", CompileGbnf(nullables)},
      {"many items with hits",
       schema(
           R"({"type":"array","minItems":1000000,"contains":{"const":1},"minContains":400000})")},
  };
}

// Whatever a grammar asks for, a call is over within its steps; then it has an answer, or an error
// that names the bound, and the matcher can be asked again or let go.
TEST(RunningBounds, NoCallTakesMoreThanItsSteps) {
  const auto trie = TestTrie();
  for (const auto& [name, grammar] : Dear()) {
    SCOPED_TRACE(name);
    if (!grammar) {
      EXPECT_EQ(grammar.error().code, ErrorCode::kResourceExhausted) << grammar.error().message;
      continue;
    }
    auto matcher = NewMatcher(*grammar, trie);
    std::mt19937_64 random(5);
    for (int count = 0; count < 24; ++count) {
      Fuel fuel({.steps = kMatcherStepsMax});
      matcher->SetFuel(&fuel);
      const auto mask = matcher->Mask();
      // Spending in large pieces may overshoot by one of them.
      EXPECT_LT(fuel.steps(), kMatcherStepsMax + kMatcherStepsMax / 4);
      if (!mask) {
        EXPECT_EQ(mask.error().code, ErrorCode::kResourceExhausted) << mask.error().message;
        matcher->SetFuel(nullptr);
        break;
      }
      std::vector<uint32_t> allowed;
      for (uint32_t t = 0; t < trie->vocab_size(); ++t)
        if (mask->Allows(t) && !trie->IsEnd(t)) allowed.push_back(t);
      if (allowed.empty()) break;
      const auto taken = matcher->Accept(allowed[random() % allowed.size()]);
      (void)matcher->FinishTokens();
      matcher->SetFuel(nullptr);
      if (!taken) {
        EXPECT_EQ(taken.error().code, ErrorCode::kResourceExhausted);
        break;
      }
    }
    EXPECT_LE((*grammar)->bytes(), kMatcherBytesMax + 2 * kMatcherCallBytesMax);
  }
}

TEST(RunningBounds, AnObjectOfManyKeysIsServedWithinFewSteps) {
  const GrammarPtr grammar =
      Schema(ManyProperties(300, R"(,"minProperties":100,"additionalProperties":true)"));
  auto matcher = NewMatcher(grammar, TestTrie());
  Fuel fuel({.steps = kMatcherStepsMax});
  matcher->SetFuel(&fuel);
  for (int i = 0; i < 12; ++i) {
    const std::string member = fmt::format("{}\"p{}\":\"x\"", i == 0 ? "{" : ",", i * 3);
    for (const uint32_t token : ByteTokens(member)) {
      ASSERT_TRUE(matcher->Mask());
      ASSERT_TRUE(matcher->Accept(token));
    }
  }
  matcher->SetFuel(nullptr);
}

TEST(RunningBounds, AnErrorOfOneRequestLeavesTheGrammarUsable) {
  const GrammarPtr grammar = Schema(InObject({"^[ab]*a[ab]{4}$"}));
  const auto trie = TestTrie();
  std::vector<uint64_t> expected;
  {
    auto fresh = NewMatcher(Schema(InObject({"^[ab]*a[ab]{4}$"})), trie);
    for (const uint32_t token : ByteTokens(R"({"k0":"ab)")) ASSERT_TRUE(fresh->Accept(token));
    expected = Words(fresh->Mask());
  }
  for (const uint64_t steps : {1u, 5u, 50u, 500u}) {
    {
      auto poor = NewMatcher(grammar, trie);
      Fuel fuel({.steps = steps});
      poor->SetFuel(&fuel);
      for (const uint32_t token : ByteTokens(R"({"k0":"ab)")) {
        (void)poor->Mask();
        (void)poor->FinishTokens();
        if (!poor->Accept(token)) break;
      }
      poor->SetFuel(nullptr);
    }
    auto next = NewMatcher(grammar, trie);
    for (const uint32_t token : ByteTokens(R"({"k0":"ab)")) ASSERT_TRUE(next->Accept(token));
    EXPECT_EQ(Words(next->Mask()), expected);
  }
}

#ifndef __SANITIZE_ADDRESS__

// What malloc has given away, by its own account.
size_t Used() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(RunningBounds, TheMemoryThatIsCountedIsWhatIsUsed) {
  const auto trie = TestTrie();
  const std::pair<const char*, const char*> kinds[] = {
      {"states of the lexer", "([ab]*a[ab]{11}|[cd]*c[cd]{11})x"},
      {"a counter", "((a|b|ab){1,60}c?){1,60}"},
  };
  for (const auto& [name, pattern] : kinds) {
    SCOPED_TRACE(name);
    const GrammarPtr grammar = Regex(pattern);
    const size_t counted_before = grammar->bytes();
    const size_t used_before = Used();
    std::vector<std::unique_ptr<Matcher>> matchers;
    for (int i = 0; i < 3; ++i) {
      matchers.push_back(NewMatcher(grammar, trie));
      std::mt19937_64 random(static_cast<uint64_t>(i));
      const size_t enough = grammar->bytes() + (size_t{2} << 20);
      while (grammar->bytes() < enough) {
        if (!matchers.back()->Mask()) break;
        if (!matchers.back()->Accept(random() % 2 == 0 ? 'a' : 'b')) break;
      }
    }
    const auto counted = static_cast<double>(grammar->bytes() - counted_before);
    const auto used = static_cast<double>(Used() - used_before);
    EXPECT_GT(used, 1e6);
    EXPECT_NEAR(counted / used, 1, 0.15) << counted << " of " << used;
    matchers.clear();
    EXPECT_LE(grammar->bytes(), counted_before + (size_t{17} << 20)) << "idle machines are few";
  }
}

#endif

}  // namespace
}  // namespace infe::grammar
