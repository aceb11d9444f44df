#include <random>

#include <gtest/gtest.h>

#include "grammar/grammar.h"
#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

GrammarPtr Gbnf(std::string_view text) {
  auto g = CompileGbnf(text);
  EXPECT_TRUE(g) << g.error().message;
  return g ? *g : nullptr;
}

TEST(Gbnf, ReadsRulesClassesGroupsAndRepeats) {
  const GrammarPtr g = Gbnf(R"text(# a comment
root ::= greeting (" " name)? "!"{1,3}
greeting ::= "hello" | "hi"   # two ways
name ::= [A-Z] [a-z]+ | "\x41\u00e9"
)text");
  EXPECT_TRUE(Takes(g, "hello!"));
  EXPECT_TRUE(Takes(g, "hi Bob!!!"));
  EXPECT_TRUE(Takes(g, "hi A\xC3\xA9!"));
  EXPECT_FALSE(Takes(g, "hi bob!"));
  EXPECT_FALSE(Takes(g, "hi!!!!"));
  EXPECT_FALSE(Takes(g, "hi"));
}

TEST(Gbnf, RecursesOnBothSides) {
  const GrammarPtr g = Gbnf(R"text(root ::= expr
expr ::= expr [-+] term | term
term ::= term "*" factor | factor
factor ::= "(" expr ")" | [0-9]+
)text");
  EXPECT_TRUE(Takes(g, "1+2*(3-4)"));
  EXPECT_TRUE(Takes(g, "((12))"));
  EXPECT_FALSE(Takes(g, "1+"));
  EXPECT_FALSE(Takes(g, "(1"));
  EXPECT_FALSE(Takes(g, "1)"));
}

TEST(Gbnf, NullableRulesAreNoTrouble) {
  const GrammarPtr g = Gbnf(R"text(root ::= a b c
a ::= "x" a | ""
b ::= ("y" b)?
c ::= a* "z"?
)text");
  EXPECT_TRUE(Takes(g, ""));
  EXPECT_TRUE(Takes(g, "xxyyz"));
  EXPECT_TRUE(Takes(g, "yxxx"));
  EXPECT_FALSE(Takes(g, "zz"));
}

TEST(Gbnf, AmbiguityIsNotGreedy) {
  // A lexer that takes the longest match would fail here.
  const GrammarPtr g = Gbnf("root ::= pair \"ab\"\npair ::= \"a\" pair \"b\" | [ab]+ ");
  EXPECT_TRUE(Takes(g, "aab"));
  EXPECT_TRUE(Takes(g, "abab"));
  EXPECT_FALSE(Takes(g, "ab"));
}

TEST(Gbnf, RefusesWithTheLine) {
  for (const char* text : {"root ::= other", "root ::= \"a", "root ::= (\"a\"", "root = \"a\"",
                           "root ::= [z-a]", "root ::= \"a\"\nroot ::= \"b\"", "start ::= \"a\"",
                           "root ::= root", "root ::= \"a\" root"}) {
    const auto g = CompileGbnf(text);
    ASSERT_FALSE(g) << text;
    EXPECT_EQ(g.error().code, ErrorCode::kInvalidArgument) << text;
  }
  const auto deep = CompileGbnf("root ::= " + std::string(60000, '('));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code, ErrorCode::kResourceExhausted);
}

TEST(Lark, ReadsRulesTerminalsAndIgnores) {
  auto made = CompileLark(R"text(// arithmetic
start: expr
?expr: expr "+" term -> add
     | term
term: NUMBER | "(" expr ")" | "max"i [ARGS]
ARGS: "(" DIGITS ("," DIGITS)~1..2 ")"
DIGITS: /[0-9]+/
%import common.NUMBER
%import common.WS_INLINE
%ignore WS_INLINE
)text");
  ASSERT_TRUE(made) << made.error().message;
  const GrammarPtr g = *made;
  EXPECT_TRUE(Takes(g, "1 + (2+3.5)"));
  EXPECT_TRUE(Takes(g, "  1 "));
  EXPECT_TRUE(Takes(g, "Max(1,2)+max"));
  EXPECT_FALSE(Takes(g, "max(1, 2)"));  // inside a terminal nothing is ignored
  EXPECT_FALSE(Takes(g, "1 +"));
  EXPECT_FALSE(Takes(g, "max(1,2,3,4)"));
}

TEST(Lark, RefusesWhatItDoesNotRead) {
  for (const char* text : {"start: /a/x", "start: <|eot|>", "%import python.NAME\nstart: NAME",
                           "start: _sep{\"a\"}\n_sep{x}: x"}) {
    const auto g = CompileLark(text);
    ASSERT_FALSE(g) << text;
    EXPECT_EQ(g.error().code, ErrorCode::kUnsupported) << text;
  }
}

TEST(TextGrammars, RegexAndChoiceMatchWholeTexts) {
  const auto regex = CompileRegex("[a-c]{2,3}|x*");
  ASSERT_TRUE(regex);
  EXPECT_TRUE(Takes(*regex, "ab"));
  EXPECT_TRUE(Takes(*regex, ""));
  EXPECT_TRUE(Takes(*regex, "xxxx"));
  EXPECT_FALSE(Takes(*regex, "a"));
  EXPECT_FALSE(Takes(*regex, "abcd"));
  const auto choice = CompileChoice({"yes", "no", "not"});
  ASSERT_TRUE(choice);
  EXPECT_TRUE(Takes(*choice, "no"));
  EXPECT_TRUE(Takes(*choice, "not"));
  EXPECT_FALSE(Takes(*choice, "ye"));
}

TEST(Cfg, RandomWalksEndAndMasksAreExact) {
  const GrammarPtr g =
      Gbnf("root ::= list\nlist ::= \"[\" (item (\",\" item)*)? \"]\"\nitem ::= list | [a-z]{1,3}");
  std::mt19937_64 random(11);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(RandomText(g, TestTrie(), random, 40).has_value());
  auto matcher = NewMatcher(g, TestTrie());
  for (const uint32_t token : ByteTokens("[a,[],[bcd")) {
    ExpectMaskIsExact(*matcher, *TestTrie());
    ASSERT_TRUE(matcher->Accept(token));
  }
}

}  // namespace
}  // namespace infe::grammar
