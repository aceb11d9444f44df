// A schema is enforced in any notation as it is in JSON.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "grammar/combine.h"
#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

Notation Tags() {
  return {.key_begin = "<p=",
          .key_end = ">\n",
          .other_key_end = ">\n",
          .value_end = "\n</p>",
          .separator = "\n"};
}

Notation BareKeys() {
  return {.open = "{",
          .key_end = ":",
          .other_key_end = ":",
          .text_begin = "<q>",
          .text_end = "<q>",
          .separator = ",",
          .close = "}",
          .inside = Notation::Inside::kSame};
}

Notation Keywords() {
  return {.open = "(",
          .key_end = "=",
          .other_key_end = "=",
          .text_begin = "'",
          .text_end = "'",
          .separator = ", ",
          .close = ")",
          .true_word = "True",
          .false_word = "False",
          .null_word = "None"};
}

GrammarPtr Compiled(std::string_view schema, const Notation& notation) {
  GrammarBuilder b;
  const auto part = b.Notated(*ParseJson(schema), {}, notation);
  EXPECT_TRUE(part) << part.error().message;
  auto grammar = b.Build(*part);
  EXPECT_TRUE(grammar) << grammar.error().message;
  return *grammar;
}

struct Case {
  std::string schema;
  std::vector<std::string> taken;
  std::vector<std::string> refused;
};

void Check(const Notation& notation, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const GrammarPtr grammar = Compiled(c.schema, notation);
    for (const std::string& text : c.taken) EXPECT_TRUE(Takes(grammar, text)) << text;
    for (const std::string& text : c.refused) EXPECT_FALSE(Takes(grammar, text)) << text;
  }
}

TEST(Notated, TagsHoldTextsAsTheyAreAndTheRestAsJson) {
  Check(
      Tags(),
      {{R"({"type": "object", "properties": {"s": {"type": "string"}, "n": {"type": "integer"}},
            "required": ["s"], "additionalProperties": false})",
        {"<p=s>\n\n</p>", "<p=s>\na \"b\" \\ {\n</p>", "<p=s>\n12\n</p>\n<p=n>\n-3\n</p>",
         "<p=s>\na\nb <p=n>\n\n</p>"},
        {"", "<p=n>\n1\n</p>", "<p=s>\na</p>b\n</p>", "<p=s>\na\n</p>\n<p=n>\nx\n</p>",
         "<p=s>\na\n</p>\n<p=s>\nb\n</p>", "<p=s>\na\n</p>\n<p=x>\nb\n</p>", "<p=s>\na"}},
       {R"({"properties": {"s": {"type": "string", "minLength": 2, "maxLength": 3}}, "required":
            ["s"], "additionalProperties": false})",
        {"<p=s>\nab\n</p>", "<p=s>\n\xC3\xBC\xC3\xBC\xC3\xBC\n</p>"},
        {"<p=s>\na\n</p>", "<p=s>\nabcd\n</p>"}},
       {R"({"properties": {"s": {"enum": ["red", "light blue"]}, "t": {"pattern": "^[a-z]+$",
            "type": "string"}}, "additionalProperties": false})",
        {"", "<p=s>\nlight blue\n</p>", "<p=t>\nabc\n</p>"},
        {"<p=s>\nblue\n</p>", "<p=s>\n\"red\"\n</p>", "<p=t>\nA\n</p>"}},
       // A text that would be read as something else is no text.
       {R"({"properties": {"v": {"type": ["string", "integer", "null"], "maximum": 5}},
            "additionalProperties": false})",
        {"<p=v>\n3\n</p>", "<p=v>\nnull\n</p>", "<p=v>\nx\n</p>", "<p=v>\ntrue\n</p>"},
        {"<p=v>\n7\n</p>", "<p=v>\n 7 \n</p>", "<p=v>\n1.5\n</p>"}},
       {R"({"properties": {"o": {"type": "object", "properties": {"a": {"type": "string"}},
            "required": ["a"], "additionalProperties": false}, "l": {"items": {"type": "boolean"},
            "type": "array"}}, "additionalProperties": false})",
        {"<p=o>\n{\"a\": \"x\"}\n</p>\n<p=l>\n[true]\n</p>"},
        {"<p=o>\n{a: x}\n</p>", "<p=o>\n{}\n</p>", "<p=l>\n[True]\n</p>"}},
       {R"({"type": "object"})",
        {"", "<p=any>\nthing\n</p>\n<p=other>\n{\"a\": 1}\n</p>"},
        {"<p=a>b>\nx\n</p>", "<p=a>\nx\n</p>\n<p=a>\ny\n</p>"}},
       {R"({"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "minProperties": 1,
            "dependentRequired": {"a": ["b"]}, "additionalProperties": false})",
        {"<p=b>\n1\n</p>", "<p=a>\n1\n</p>\n<p=b>\n1\n</p>"},
        {"", "<p=a>\n1\n</p>"}}});
}

TEST(Notated, TagsMaySayWhatTheyHold) {
  Notation notation = Tags();
  notation.key_end = " text>";
  notation.other_key_end = " json>";
  Check(
      notation,
      {{R"({"properties": {"v": {"type": ["string", "integer"]}}, "additionalProperties": false})",
        {"<p=v text>x\n</p>", "<p=v json>12\n</p>"},
        {"<p=v json>x\n</p>", "<p=v>x\n</p>"}}});
}

TEST(Notated, BareKeysGoAllTheWayDown) {
  Check(BareKeys(),
        {{R"({"properties": {"s": {"type": "string"}, "o": {"type": "object", "properties": {"t":
              {"type": "string"}, "b": {"type": "boolean"}}, "required": ["t"],
              "additionalProperties": false}, "l": {"type": "array", "items": {"type": "string"}}},
              "additionalProperties": false})",
          {"{}", "{s:<q>a \"b\" 'c'\n<q>}", "{s:<q><q>,o:{t:<q>x<q>,b:true},l:[<q>a<q>,<q>b<q>]}"},
          {"{s:a}", "{s:\"a\"}", "{o:{b:true}}", "{o:{\"t\":<q>x<q>}}", "{s:<q>a<q>b<q>}"}}});
}

TEST(Notated, KeywordsTakeQuotedTextsAndJsonInside) {
  Check(Keywords(),
        {{R"({"properties": {"s": {"type": "string"}, "b": {"type": ["boolean", "null"]}, "o":
              {"type": "object", "additionalProperties": {"type": "boolean"}}},
              "additionalProperties": false})",
          {"()", "(s='a \"b\" (c)')", "(s=\"it's\\n\")", "(s='', b=True)", "(b=None)",
           "(o={\"k\": true})"},
          {"(s=a)", "(s='it's')", "(s='a\nb')", "(b=true)", "(o={\"k\": True})", "(s='a',)"}}});
}

TEST(Notated, ATextMayHaveASyntaxOfItsOwn) {
  const auto takes = [](GrammarBuilder::TextSyntax syntax, const std::string& definition,
                        const Notation& notation, const std::string& text) {
    GrammarBuilder b;
    const auto part = b.NotatedText({.syntax = syntax, .definition = definition}, notation);
    EXPECT_TRUE(part);
    const auto grammar = b.Build(*part);
    EXPECT_TRUE(grammar);
    return Takes(*grammar, text);
  };
  using Syntax = GrammarBuilder::TextSyntax;
  EXPECT_TRUE(takes(Syntax::kAny, "", Tags(), "<p=input>\nx\n</p>"));
  EXPECT_TRUE(takes(Syntax::kRegex, "[a-c]+", Tags(), "<p=input>\nabc\n</p>"));
  EXPECT_FALSE(takes(Syntax::kRegex, "[a-c]+", Tags(), "<p=input>\nabd\n</p>"));
  EXPECT_TRUE(takes(Syntax::kLark, "start: \"a\" start \"b\" | \"\\n\"\n", Tags(),
                    "<p=input>\na\nb\n</p>"));
  EXPECT_TRUE(takes(Syntax::kLark, "start: \"'\"\n", Keywords(), "(input=\"'\")"));
  EXPECT_FALSE(takes(Syntax::kLark, "start: \"'\"\n", Keywords(), "(input=''')"));
}

}  // namespace
}  // namespace infe::grammar
