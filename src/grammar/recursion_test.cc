// Every front end of grammars, as deep as its input can go, on a small stack: compiling, a few
// masks, and the end of what was made. tools/recursion lists the functions that call themselves.
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/small_stack.h"
#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

std::string Repeated(std::string_view part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += part;
  return out;
}

// Whatever comes of it, the stack holds.
void Walk(const Result<GrammarPtr>& grammar) {
  if (!grammar) return;
  const auto trie = TestTrie();
  auto matcher = NewMatcher(*grammar, trie);
  for (int count = 0; count < 12; ++count) {
    const auto mask = count < 8 ? matcher->Mask() : matcher->MaskToFinish();
    if (!mask) return;
    uint32_t token = 0;
    while (token < mask->vocab_size && !mask->Allows(token)) ++token;
    if (token == mask->vocab_size || trie->IsEnd(token) || !matcher->Accept(token)) return;
  }
  (void)matcher->FinishText();
}

constexpr size_t kDepths[] = {99, 100, 101, 20'000};

TEST(GrammarRecursionTest, PatternsFitASmallStack) {
  RunOnSmallStack([] {
    for (const size_t n : kDepths) {
      for (const auto& [open, close] : {
               std::pair{"(", ")"},
               std::pair{"(?:", ")"},
               std::pair{"(", ")*"},
               std::pair{"(", ")+?"},
               std::pair{"(", ")?"},
               std::pair{"(a|", ")"},
               std::pair{"(?=", ")"},
               std::pair{"(?!", ")"},
               std::pair{"(?<=", ")"},
               std::pair{"(?=a*", ")a*"},
               std::pair{"(a", "){1,2}"},
               std::pair{"(", "){0,1}"},
               std::pair{"", "a?"},
               std::pair{"a|", ""},
               std::pair{"", "ab*"},
               std::pair{"", "(?=a*)"},
               std::pair{"", "[ab]"},
           })
        Walk(CompileRegex(Repeated(open, n) + "a" + Repeated(close, n)));
    }
    for (const size_t n : {100, 1000, 100'000})
      for (const char* pattern :
           {"a{{{}}}", "(ab?){{{}}}", "[ab]*a[ab]{{{}}}", "(?=a{{1,{}}}$)a*", "(a{{{}}}){{9}}"})
        Walk(CompileRegex(fmt::format(fmt::runtime(pattern), n)));
  });
}

TEST(GrammarRecursionTest, GbnfFitsASmallStack) {
  RunOnSmallStack([] {
    for (const size_t n : kDepths) {
      for (const auto& [open, close] :
           {std::pair{"(", ")"}, std::pair{"(", ")*"}, std::pair{"(", ")?"},
            std::pair{"(\"b\" | ", ")"}, std::pair{"(", "){1,2}"}, std::pair{"\"b\" ", ""},
            std::pair{"\"b\" | ", ""}})
        Walk(CompileGbnf("root ::= " + Repeated(open, n) + "\"a\"" + Repeated(close, n)));
    }
    for (const size_t n : {30, 2000}) {  // rules that lead into each other
      for (const char* rule : {"r{} ::= r{}\n", "r{} ::= r{} \"b\"\n", "r{} ::= \"b\" r{}\n",
                               "r{} ::= \"b\" r{} \"c\"\n", "r{0} ::= r{1} r{1}\n",
                               "r{} ::= r{}?\n", "r{} ::= \"b\" | r{}\n"}) {
        std::string text = "root ::= r0\n";
        for (size_t i = 0; i < n; ++i) text += fmt::format(fmt::runtime(rule), i, i + 1);
        Walk(CompileGbnf(text + fmt::format("r{} ::= \"a\"\n", n)));
        Walk(CompileGbnf(text + fmt::format("r{} ::= \"a\" r0 \"a\" | \"b\"\n", n)));
        Walk(CompileGbnf(text + fmt::format("r{} ::= r0 | \"b\"\n", n)));
      }
    }
  });
}

TEST(GrammarRecursionTest, LarkFitsASmallStack) {
  RunOnSmallStack([] {
    for (const size_t n : kDepths) {
      for (const auto& [open, close] :
           {std::pair{"(", ")"}, std::pair{"[", "]"}, std::pair{"(", ")*"},
            std::pair{"(\"b\" | ", ")"}, std::pair{"(", ")~1..2"}}) {
        Walk(CompileLark("start: " + Repeated(open, n) + "\"a\"" + Repeated(close, n)));
        Walk(CompileLark("start: T\nT: " + Repeated(open, n) + "\"a\"" + Repeated(close, n)));
      }
    }
    for (const size_t n : {30, 2000}) {
      for (const char* rule : {"r{}: r{}\n", "r{}: r{} \"b\"\n", "r{}: \"b\" r{} \"c\"\n",
                               "r{0}: r{1} r{1}\n", "r{}: \"b\" | r{}\n"}) {
        std::string text, terminals;
        for (size_t i = 0; i < n; ++i) text += fmt::format(fmt::runtime(rule), i, i + 1);
        terminals = text;
        for (char& c : terminals)
          if (c == 'r') c = 'R';
        Walk(CompileLark("start: r0\n" + text + fmt::format("r{}: \"a\"\n", n)));
        Walk(CompileLark("start: R0\n" + terminals + fmt::format("R{}: \"a\"\n", n)));
      }
    }
  });
}

TEST(GrammarRecursionTest, SchemasFitASmallStack) {
  RunOnSmallStack([] {
    const auto compile = [](const std::string& text) {
      const auto schema = ParseJson(text, {.depth = 1000});
      if (!schema) return;
      for (const Strictness strictness : {Strictness::kNamed, Strictness::kStrict})
        Walk(CompileJsonSchema(*schema, {.strictness = strictness}));
    };
    for (const size_t n : {30, 50, 98, 100, 300}) {
      for (const auto& [open, close] : {
               std::pair{R"({"items":)", "}"},
               std::pair{R"({"type":"array","prefixItems":[)", "]}"},
               std::pair{R"({"type":"object","properties":{"a":)", R"(},"required":["a"]})"},
               std::pair{R"({"additionalProperties":)", "}"},
               std::pair{R"({"patternProperties":{"^a":)", "}}"},
               std::pair{R"({"propertyNames":)", "}"},
               std::pair{R"({"contains":)", "}"},
               std::pair{R"({"not":)", "}"},
               std::pair{R"({"anyOf":[)", "]}"},
               std::pair{R"({"allOf":[)", "]}"},
               std::pair{R"({"oneOf":[{"type":"null"},)", "]}"},
               std::pair{R"({"if":)", R"(,"then":true,"else":false})"},
               std::pair{R"({"dependentSchemas":{"a":)", "}}"},
               std::pair{R"({"$defs":{"a":)", "}}"},
               std::pair{R"({"unevaluatedItems":)", "}"},
               std::pair{R"({"const":)", "}"},
               std::pair{R"({"enum":[)", "]}"},
           })
        compile(Repeated(open, n) + R"({"type":"string"})" + Repeated(close, n));
    }
    for (const size_t n : {30, 1000}) {  // references that lead into each other
      for (
          const char* link : {
              R"({{"$ref":"#/$defs/d{0}"}})",
              R"({{"items":{{"$ref":"#/$defs/d{0}"}}}})",
              R"({{"properties":{{"a":{{"$ref":"#/$defs/d{0}"}}}},"required":["a"]}})",
              R"({{"anyOf":[{{"type":"null"}},{{"$ref":"#/$defs/d{0}"}}]}})",
              R"({{"allOf":[{{"$ref":"#/$defs/d{0}"}},{{"title":"t"}}]}})",
              R"({{"oneOf":[{{"type":"null"}},{{"$ref":"#/$defs/d{0}"}}]}})",
              R"({{"not":{{"$ref":"#/$defs/d{0}"}}}})",
              R"({{"properties":{{"a":{{"oneOf":[{{}},{{"$ref":"#/$defs/d{0}"}}]}}}},"required":["a"]}})",
              R"({{"if":{{"$ref":"#/$defs/d{0}"}},"then":{{"minLength":1}}}})",
              R"({{"oneOf":[{{"type":"object"}},{{"properties":{{"a":{{"$ref":"#/$defs/d{0}"}}}},"required":["a"]}}]}})",
          }) {
        for (const bool circle : {false, true}) {
          std::string text = R"({"$ref":"#/$defs/d0","$defs":{)";
          for (size_t i = 0; i < n; ++i)
            text += fmt::format(R"("d{}":{},)", i,
                                fmt::format(fmt::runtime(link), circle && i + 1 == n ? 0 : i + 1));
          compile(text + fmt::format(R"("d{}":{{"type":"integer"}}}}}})", n));
        }
      }
    }
    for (
        const char* text : {
            R"({"properties":{"a":{"oneOf":[{},{"$ref":"#"}]}},"required":["a"]})",
            R"({"items":{"oneOf":[{},{"$ref":"#"}]},"minItems":1})",
            R"({"oneOf":[{"$ref":"#/$defs/t"},{"type":"object"}],"$defs":{"t":{"type":"object","properties":{"l":{"oneOf":[{"$ref":"#/$defs/t"},{"type":"object"}]}},"required":["l"]}}})",
            R"({"not":{"properties":{"a":{"not":{"$ref":"#"}}},"required":["a"]}})",
            R"({"if":{"properties":{"a":{"$ref":"#"}},"required":["a"]},"then":{"minProperties":2}})",
            R"({"anyOf":[{"$ref":"#"},{"oneOf":[{"$ref":"#"},{"$ref":"#"}]}]})",
        })
      compile(text);
  });
}

}  // namespace
}  // namespace infe::grammar
