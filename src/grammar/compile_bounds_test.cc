// What a stranger may ask of the compilers: every hostile text ends soon, in an error that names a
// bound, or is served; and a cancelled or late compilation ends as such.
#include <array>
#include <ctime>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "grammar/combine.h"
#include "grammar/grammar.h"
#include "grammar/limits.h"
#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Ten times what a compilation may take: bounded, whatever the machine, and not for ever.
constexpr double kSecondsMax = 10;

// Refused by a bound that the message gives with its number, or compiled; soon in either case.
void ExpectBounded(std::string_view what, const std::function<Result<GrammarPtr>()>& compile) {
  const double start = CpuSeconds();
  const auto made = compile();
  const double seconds = CpuSeconds() - start;
  EXPECT_LT(seconds, kSecondsMax) << what;
  if (made) return;
  EXPECT_EQ(made.error().code, ErrorCode::kResourceExhausted)
      << what << ": " << made.error().message;
  EXPECT_NE(made.error().message.find_first_of("0123456789"), std::string::npos)
      << what << ": " << made.error().message;
}

// As above, and it has to be an error whose message holds `place`.
void ExpectRefused(std::string_view what, std::string_view place,
                   const std::function<Result<GrammarPtr>()>& compile) {
  ExpectBounded(what, [&] {
    auto made = compile();
    EXPECT_FALSE(made) << what;
    if (!made) {
      EXPECT_NE((made.error().message + made.error().param).find(place), std::string::npos)
          << what << ": " << made.error().message << " at " << made.error().param;
    }
    return made;
  });
}

Result<GrammarPtr> Schema(const std::string& text) {
  auto json = ParseJson(text, {.depth = 200, .allow_duplicate_keys = true});
  EXPECT_TRUE(json) << text.substr(0, 200);
  return CompileJsonSchema(*json);
}

std::string Doubling(std::string_view defines, std::string_view end) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += fmt::format("r{} {} r{} r{}\n", i, defines, i + 1, i + 1);
  return text + fmt::format("r30 {} {}\n", defines, end);
}

TEST(CompileBounds, RulesThatDoubleAreRefusedWithTheirLine) {
  const std::string gbnf = "root ::= r0\n" + Doubling("::=", "\"a\"");
  ExpectRefused("GBNF", "line ", [&] { return CompileGbnf(gbnf); });
  ExpectRefused("GBNF, classes", "line ",
                [&] { return CompileGbnf("root ::= r0\n" + Doubling("::=", "[a-z] | \"xy\"")); });
  ExpectRefused("Lark", "line ",
                [&] { return CompileLark("start: r0\n" + Doubling(":", "\"a\"")); });
  std::string terminals = "start: R0\n" + Doubling(":", "\"a\"");
  for (char& c : terminals)
    if (c == 'r') c = 'R';
  const size_t start = terminals.find("staRt");
  terminals.replace(start, 5, "start");
  ExpectRefused("Lark's terminals", "line ", [&] { return CompileLark(terminals); });
  ExpectRefused("a custom tool", "line ", [&]() -> Result<GrammarPtr> {
    GrammarBuilder b;
    auto part =
        b.TextObject({.syntax = GrammarBuilder::TextSyntax::kLark, .definition = terminals});
    if (!part) return part.error();
    return b.Build(*part);
  });
}

TEST(CompileBounds, RulesInsideEachOtherNeedNoStack) {
  std::string rules = "r0 ::= \"a\"\n";
  for (int i = 1; i < 20000; ++i) rules += fmt::format("r{} ::= (r{} \"b\")*\n", i, i - 1);
  ExpectBounded("merged rules", [&] { return CompileGbnf(rules + "root ::= r19999\n"); });
  ExpectRefused("quantifiers", "line 1",
                [&] { return CompileGbnf("root ::= \"a\"" + std::string(100000, '*')); });
  ExpectRefused("Lark's quantifiers", "line 1",
                [&] { return CompileLark("start: \"a\"" + std::string(100000, '*') + "\n"); });
  ExpectRefused("groups", "line 1", [&] {
    return CompileGbnf("root ::= " + std::string(100000, '(') + "\"a\"" + std::string(100000, ')'));
  });
}

TEST(CompileBounds, PatternsThatMultiplyAreBounded) {
  for (const char* pattern :
       {"((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}", "(((((a|b){0,99}){0,99}){0,99}){0,99})",
        "(a{1000}){1000}", "[ab]*a[ab]{300}", "(.*a){1000}", "(?=.*a)(?=.*b)(?=.*c)(?=.*d)(.{7})*",
        "(([a-c]|[b-d]|[c-e]){0,50}x?){0,50}"}) {
    ExpectBounded(pattern, [&] { return CompileRegex(pattern); });
    ExpectBounded(pattern, [&] {
      return Schema(fmt::format(R"({{"type":"string","pattern":"{}"}})", pattern));
    });
    ExpectBounded(pattern, [&] { return CompileLark(fmt::format("start: /{}/\n", pattern)); });
  }
}

TEST(CompileBounds, PatternsWhosePeriodsMultiplyAreRefusedWithTheirPlace) {
  std::string all;
  for (const int n : {2, 3, 5, 7, 11, 13, 17})
    all += fmt::format(R"({}{{"pattern":"^(.{{{}}})*$"}})", all.empty() ? "" : ",", n);
  ExpectRefused("seven periods", "/properties/code", [&] {
    return Schema(R"({"type":"object","properties":{"code":{"type":"string","allOf":[)" + all +
                  R"(]}}})");
  });
}

TEST(CompileBounds, LengthBesideAPatternIsServed) {
  const auto made = Schema(R"({"type":"string","pattern":"^([a-z][0-9])+$","minLength":10000})");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_FALSE(Takes(*made, "\"a1\""));
}

TEST(CompileBounds, ChoicesOfManyTextsAreServed) {
  std::vector<std::string> texts;
  for (int i = 0; i < 20000; ++i) texts.push_back(fmt::format("choice {}", i * 7919));
  const auto made = CompileChoice(texts);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(Takes(*made, texts[777]));
  EXPECT_FALSE(Takes(*made, "choice 1"));
  std::vector<std::string> nested{""};
  for (int i = 0; i < 3000; ++i) nested.push_back(nested.back() + "a");
  nested.erase(nested.begin());
  const auto beginnings = CompileChoice(nested);
  ASSERT_TRUE(beginnings) << beginnings.error().message;
  EXPECT_TRUE(Takes(*beginnings, nested[1234]));
}

TEST(CompileBounds, OneOfThatReachesItselfIsEnforced) {
  const auto made = Schema(R"({"properties":{"a":{"oneOf":[{},{"$ref":"#"}]}},"required":["a"]})");
  ASSERT_TRUE(made) << made.error().message;
  // {} takes everything, so exactly one holds where the other does not: a must be an object that
  // lacks a, or whose a is a match of the whole.
  EXPECT_TRUE(Takes(*made, R"({"a":{}})"));
  EXPECT_TRUE(Takes(*made, R"({"a":{"a":5}})"));
  EXPECT_FALSE(Takes(*made, R"({"a":5})"));
  EXPECT_FALSE(Takes(*made, R"({"a":{"a":{}}})"));
}

TEST(CompileBounds, ChoicesThatReachThemselvesAnywhereAreBounded) {
  for (const char* at :
       {R"("properties":{"a":X},"required":["a"])", R"("items":X,"minItems":1)",
        R"("prefixItems":[X],"minItems":1)", R"("contains":X)",
        R"("additionalProperties":X,"minProperties":1)",
        R"("patternProperties":{"^a":X},"required":["a1"])",
        R"("dependentSchemas":{"a":X},"required":["a"])",
        R"("unevaluatedProperties":X,"required":["a"])", R"("unevaluatedItems":X,"minItems":1)",
        R"("allOf":[{"properties":{"a":X},"required":["a"]}])",
        R"("anyOf":[{"properties":{"a":X},"required":["a"]},{"type":"null"}])",
        R"("not":{"properties":{"a":X},"required":["a"]})",
        R"("if":{"properties":{"a":X},"required":["a"]},"then":{"required":["b"]})"}) {
    for (
        const char* choice :
        {R"({"oneOf":[{},{"$ref":"#"}]})", R"({"oneOf":[{"$ref":"#"},{"$ref":"#"}]})",
         R"({"oneOf":[{"$ref":"#here"},{"properties":{"a":{"$ref":"#"}}}]})",
         R"({"oneOf":[{"oneOf":[{"$ref":"#"},{"type":"object"}]},{"$ref":"#"},{"required":["z"]}]})",
         R"({"not":{"oneOf":[{"$ref":"#"},{"minProperties":2}]}})"}) {
      std::string schema = fmt::format(R"({{"$anchor":"here",{}}})", at);
      schema.replace(schema.find('X'), 1, choice);
      const double start = CpuSeconds();
      const auto made = Schema(schema);
      EXPECT_LT(CpuSeconds() - start, kSecondsMax) << schema;
      if (!made) {
        EXPECT_NE(made.error().code, ErrorCode::kInternal) << schema;
      }
    }
  }
}

// A schema of a few keywords whose subschemas are others of these, or references that lead back.
std::string RandomSchema(std::mt19937_64& random, int depth) {
  const auto pick = [&](size_t n) { return random() % n; };
  const auto sub = [&] { return RandomSchema(random, depth - 1); };
  if (depth == 0 || pick(6) == 0)
    return std::array{
        R"({"$ref":"#"})",      R"({"$ref":"#/$defs/a"})",      R"({"$ref":"#b"})", "{}",
        R"({"type":"object"})", R"({"type":["array","null"]})", R"({"const":"x"})"}[pick(7)];
  const auto list = [&] { return fmt::format("[{},{}]", sub(), sub()); };
  std::string schema;
  for (size_t i = 0, n = 1 + pick(3); i < n; ++i) {
    schema += schema.empty() ? "{" : ",";
    switch (pick(14)) {
      case 0:
      case 1:
        schema += fmt::format(R"("oneOf":{})", list());
        break;
      case 2:
        schema += fmt::format(R"("anyOf":{})", list());
        break;
      case 3:
        schema += fmt::format(R"("allOf":{})", list());
        break;
      case 4:
        schema += fmt::format(R"("not":{})", sub());
        break;
      case 5:
        schema += fmt::format(R"("if":{},"then":{},"else":{})", sub(), sub(), sub());
        break;
      case 6:
      case 7:
        schema += fmt::format(R"("properties":{{"a":{},"b":{}}},"required":["a"])", sub(), sub());
        break;
      case 8:
        schema += fmt::format(R"("items":{},"minItems":1)", sub());
        break;
      case 9:
        schema += fmt::format(R"("contains":{})", sub());
        break;
      case 10:
        schema += fmt::format(R"("prefixItems":{})", list());
        break;
      case 11:
        schema += fmt::format(R"("additionalProperties":{},"minProperties":1)", sub());
        break;
      case 12:
        schema += fmt::format(R"("dependentSchemas":{{"a":{}}})", sub());
        break;
      case 13:
        schema += fmt::format(R"("unevaluatedProperties":{})", sub());
        break;
    }
  }
  return schema + "}";
}

TEST(CompileBounds, RandomSchemasThatReachThemselvesAreBounded) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 60; ++i) {
    const std::string schema =
        fmt::format(R"({{"allOf":[{}],"$defs":{{"a":{},"b":{{"$anchor":"b","anyOf":[{}]}}}}}})",
                    RandomSchema(random, 3), RandomSchema(random, 2), RandomSchema(random, 2));
    const double start = CpuSeconds();
    const auto made = Schema(schema);
    EXPECT_LT(CpuSeconds() - start, kSecondsMax) << schema;
    if (made) {
      NewMatcher(*made, TestTrie())->Allows('{');
    } else {
      EXPECT_NE(made.error().code, ErrorCode::kInternal) << schema;
    }
  }
}

TEST(CompileBounds, OneOfOverASharedPartAndAnOptionalKindIsServed) {
  std::string schema = R"({"oneOf":[)";
  for (int i = 0; i < 8; ++i)
    schema += fmt::format(
        R"({}{{"allOf":[{{"$ref":"#/$defs/base"}},{{"type":"object","properties":{{"kind":{{"const":"kind{}"}},"value{}":{{"type":"string","minLength":{}}}}}}}]}})",
        i == 0 ? "" : ",", i, i, i + 1);
  schema +=
      R"(],"$defs":{"base":{"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"string"}},"required":["id"]}}})";
  const auto made = Schema(schema);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(Takes(*made, R"({"id":1,"kind":"kind3"})"));
  EXPECT_TRUE(Takes(*made, R"({"id":1,"name":"x","kind":"kind7","value7":"long enough"})"));
  EXPECT_FALSE(Takes(*made, R"({"id":1,"kind":"kind7","value7":"no"})"));
  EXPECT_FALSE(Takes(*made, R"({"id":1})"));  // all of them
  EXPECT_FALSE(Takes(*made, R"({"kind":"kind3"})"));
}

TEST(CompileBounds, ChoicesBesideChoicesDoNotMultiplyInMemory) {
  std::string list = "[";
  for (int i = 0; i < 3000; ++i)
    list += fmt::format(R"({}{{"minLength":{}}})", i == 0 ? "" : ",", i);
  list += "]";
  ExpectRefused("anyOf beside oneOf", "",
                [&] { return Schema(fmt::format(R"({{"anyOf":{0},"oneOf":{0}}})", list)); });
  ExpectRefused("not oneOf", "kAlternativesMax",
                [&] { return Schema(fmt::format(R"({{"not":{{"oneOf":{}}}}})", list)); });
}

TEST(CompileBounds, LongKeysAboveManySchemasDoNotMultiplyInMemory) {
  std::string inner;
  for (int i = 0; i < 4000; ++i) inner += fmt::format(R"({}"k{}":{{}})", i == 0 ? "" : ",", i);
  ExpectRefused("paths", "/properties/xxx", [&] {
    return Schema(fmt::format(R"({{"properties":{{"{}":{{"properties":{{{}}}}}}}}})",
                              std::string(500000, 'x'), inner));
  });
}

TEST(CompileBounds, KeyPatternsThatCrossAreBounded) {
  std::string patterns;
  for (int i = 0; i < 40; ++i)
    patterns += fmt::format(R"({}"{}.*{}":{{"type":"string","minLength":{}}})", i == 0 ? "" : ",",
                            static_cast<char>('a' + i % 26), i, i);
  ExpectBounded("patternProperties", [&] {
    return Schema(fmt::format(R"({{"type":"object","patternProperties":{{{}}}}})", patterns));
  });
}

TEST(CompileBounds, ReferencesInALongChainAreBounded) {
  std::string defs;
  for (int i = 0; i < 5000; ++i)
    defs += fmt::format(
        R"("d{}":{{"type":"object","properties":{{"n":{{"$ref":"#/$defs/d{}"}}}},"required":["n"]}},)",
        i, i + 1);
  defs += R"("d5000":{"type":"null"})";
  ExpectBounded("objects", [&] {
    return Schema(fmt::format(R"({{"$ref":"#/$defs/d0","$defs":{{{}}}}})", defs));
  });
  ExpectBounded("denied", [&] {
    return Schema(fmt::format(R"({{"not":{{"$ref":"#/$defs/d0"}},"$defs":{{{}}}}})", defs));
  });
}

TEST(CompileBounds, ArraysWithoutAnyItemToCountAreNotBegun) {
  const auto made = Schema(R"({"items":{"type":"integer"},"contains":{"const":true}})");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(Takes(*made, "7"));
  EXPECT_FALSE(NewMatcher(*made, TestTrie())->Allows('['));
  const auto none =
      Schema(R"({"type":"array","items":{"type":"integer"},"contains":{"const":true}})");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidArgument);
  // Three are wanted, two positions can be one.
  EXPECT_FALSE(Schema(
      R"({"type":"array","prefixItems":[{"const":true},{"const":true}],"items":{"type":"null"},"contains":{"const":true},"minContains":3})"));
  EXPECT_TRUE(Schema(
      R"({"type":"array","prefixItems":[{"const":true},{"const":true}],"items":{"type":"null"},"contains":{"const":true},"minContains":2})"));
}

TEST(CompileBounds, ManyUniqueTextsAreRefusedOrNamedBeforeAnAnswerBegins) {
  std::string texts;
  for (int i = 0; i < 540; ++i)
    texts += fmt::format(R"({}"label number {}")", i == 0 ? "" : ",", i * 7919);
  const std::string schema =
      fmt::format(R"({{"type":"array","uniqueItems":true,"items":{{"enum":[{}]}}}})", texts);
  const auto named = Schema(schema);
  ASSERT_TRUE(named) << named.error().message;
  ASSERT_EQ((*named)->unenforced().size(), 1u);
  EXPECT_EQ((*named)->unenforced()[0].keyword, "uniqueItems");
  const auto strict = CompileJsonSchema(*ParseJson(schema), {.strictness = Strictness::kStrict});
  ASSERT_FALSE(strict);
  EXPECT_NE(strict.error().message.find("kUniqueStatesMax"), std::string::npos);
  const auto few = CompileJsonSchema(
      *ParseJson(R"({"type":"array","uniqueItems":true,"items":{"enum":["red","green","blue"]}})"),
      {.strictness = Strictness::kStrict});
  ASSERT_TRUE(few);
  EXPECT_FALSE(Takes(*few, R"(["red","red"])"));
}

TEST(CompileBounds, ACancelledOrLateCompilationSaysSo) {
  std::atomic<bool> cancelled = true;
  const std::string gbnf = "root ::= r0\n" + Doubling("::=", "\"a\"");
  const auto given_up = CompileGbnf(gbnf, {.cancelled = &cancelled});
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code, ErrorCode::kCancelled);
  const auto late = CompileGbnf(gbnf, {.deadline = Fuel::Clock::now()});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace infe::grammar
