#include <random>

#include <gtest/gtest.h>

#include "grammar/test_vocab.h"

namespace infe::grammar {
namespace {

Result<GrammarPtr> Compile(std::string_view schema, SchemaOptions options = {}) {
  const auto json = ParseJson(schema, {.depth = 200});
  EXPECT_TRUE(json) << schema;
  return CompileJsonSchema(*json, options);
}

// Compiles, and compares the verdict on each text with what is expected.
void Expect(std::string_view schema, const std::vector<const char*>& good,
            const std::vector<const char*>& bad, SchemaOptions options = {}) {
  const auto grammar = Compile(schema, options);
  ASSERT_TRUE(grammar) << schema << ": " << grammar.error().message;
  EXPECT_TRUE((*grammar)->unenforced().empty()) << schema;
  for (const char* text : good) EXPECT_TRUE(Takes(*grammar, text)) << schema << " on " << text;
  for (const char* text : bad) EXPECT_FALSE(Takes(*grammar, text)) << schema << " on " << text;
}

// Every sized number of Rust's schemars, and OpenAPI's.
TEST(Schema, NumericFormatsAreBounds) {
  Expect(R"({"type":"integer","format":"uint8"})", {"0", "255"}, {"-1", "256", "1.5"});
  Expect(R"({"type":"integer","format":"int32"})", {"-2147483648", "2147483647"},
         {"2147483648", "-2147483649"});
  Expect(R"({"type":"integer","format":"uint64","minimum":3})", {"3", "18446744073709551615"},
         {"2", "18446744073709551616"});
  Expect(R"({"type":"integer","format":"int64","maximum":7})", {"7", "-9223372036854775808"},
         {"8", "-9223372036854775809"});
  Expect(R"({"type":"number","format":"double"})", {"1.5", "-3"}, {"\"1\""},
         {.strictness = Strictness::kStrict});
  Expect(R"({"type":"string","format":"uint8"})", {R"("x")"}, {"1"});
}

TEST(Schema, FormatsOfTheLibrariesAreEnforced) {
  const SchemaOptions strict{.strictness = Strictness::kStrict};
  Expect(R"({"type":"string","format":"base64"})", {R"("")", R"("aGk=")"},
         {R"("aGk")", R"("a b=")"}, strict);
  Expect(R"({"type":"string","format":"e164"})", {R"("+4930123456")"}, {R"("030123456")"}, strict);
  Expect(R"({"type":"string","format":"ulid"})", {R"("01ARZ3NDEKTSV4RRFFQ69G5FAV")"},
         {R"("01ARZ3NDEKTSV4RRFFQ69G5FAU")", R"("81ARZ3NDEKTSV4RRFFQ69G5FAV")"}, strict);
  Expect(R"({"type":"string","format":"uuid4"})", {R"("2eb8aa08-aa98-41ea-b4aa-73b441d16380")"},
         {R"("2eb8aa08-aa98-11ea-b4aa-73b441d16380")"}, strict);
  Expect(R"({"type":"string","format":"cidrv4"})", {R"("10.0.0.0/8")"},
         {R"("10.0.0.0")", R"("10.0.0.0/33")"}, strict);
  Expect(R"({"type":"string","format":"iri"})", {R"("http://\u00e4.example/\u20ac")"},
         {R"("//x")", R"("http://a b")"}, strict);
  Expect(R"({"type":"string","format":"uri"})", {}, {R"("http://\u00e4.example/")"}, strict);
  Expect(R"({"type":"string","format":"uri-template"})", {R"("/users/{id}{?page,size*}")"},
         {R"("/users/{id")", R"("/a b")"}, strict);
  Expect(R"({"type":"string","format":"idn-email"})", {R"("j\u00fcrgen@ex\u00e4mple.org")"},
         {R"("j@")"}, strict);
  // What says how a value is kept, or is said by the pattern beside it.
  Expect(R"({"type":"string","format":"password"})", {R"("x")"}, {"1"}, strict);
  Expect(R"({"type":"string","format":"house-number","pattern":"^[0-9]+[a-z]?$"})", {R"("12b")"},
         {R"("b")"}, strict);
}

TEST(Schema, AFormatThatIsNotEnforcedIsNamed) {
  for (const char* format : {"regex", "idn-hostname", "house-number"}) {
    const std::string schema = fmt::format(R"({{"type":"string","format":"{}"}})", format);
    const auto named = Compile(schema);
    ASSERT_TRUE(named);
    ASSERT_EQ((*named)->unenforced().size(), 1u) << format;
    EXPECT_NE((*named)->unenforced()[0].reason.find(format), std::string::npos);
    const auto refused = Compile(schema, {.strictness = Strictness::kStrict});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find(format), std::string::npos);
  }
}

TEST(Schema, DigitsOfTimesAreBounded) {
  const std::string many(140, '9');
  Expect(R"({"format":"time"})", {R"("10:00:00.123456789012345678Z")"},
         {fmt::format(R"("10:00:00.{}Z")", many).c_str()});
  Expect(R"({"format":"duration"})", {R"("P3Y6M4DT12H30M5S")"},
         {fmt::format(R"("P{}D")", many).c_str()});
}

TEST(Schema, NullableOfOpenApiAllowsNull) {
  Expect(R"({"type":"string","nullable":true})", {R"("x")", "null"}, {"1"});
  Expect(R"({"enum":["a"],"nullable":true})", {R"("a")", "null"}, {R"("b")"});
  Expect(R"({"nullable":true,"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"integer"}}})",
         {"1", "null"}, {R"("x")"});
  Expect(R"({"type":["string","null"],"nullable":true})", {R"("x")", "null"}, {"1"});
  Expect(R"({"type":"string","nullable":false})", {R"("x")"}, {"null"});
  Expect(R"({"not":{"type":"string","nullable":true}})", {"1"}, {"null", R"("x")"});
}

TEST(Schema, DialectsOfOpenApiAreKnown) {
  for (const char* uri : {"https://spec.openapis.org/oas/3.1/dialect/base",
                          "https://spec.openapis.org/oas/3.1/dialect/2024-11-10"}) {
    Expect(fmt::format(R"({{"$schema":"{}","type":"integer"}})", uri), {"1"}, {"null"},
           {.strictness = Strictness::kStrict});
  }
}

TEST(Schema, AReferenceToNothingIsNamedWhereThatIsAskedFor) {
  const char* schema = R"({"type":"object","properties":{"a":{"$ref":"#/$defs/gone"},
      "b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false})";
  EXPECT_EQ(Compile(schema).error().code, ErrorCode::kNotFound);
  const auto named = Compile(schema, {.dangling = DanglingReference::kNamed});
  ASSERT_TRUE(named) << named.error().message;
  ASSERT_EQ((*named)->unenforced().size(), 1u);
  EXPECT_EQ((*named)->unenforced()[0].keyword, "$ref");
  EXPECT_TRUE(Takes(*named, R"({"a":[1],"b":2})"));
  EXPECT_FALSE(Takes(*named, R"({"a":[1],"b":"x"})"));
  EXPECT_FALSE(
      Compile(schema, {.strictness = Strictness::kStrict, .dangling = DanglingReference::kNamed}));
}

TEST(Schema, BoundsThatNoCountMeetsHaveNoText) {
  for (const char* schema : {R"({"type":"object","minProperties":4,"maxProperties":3})",
                             R"({"type":"object","required":["a","b"],"maxProperties":1})",
                             R"({"type":"array","minItems":2,"maxItems":1})"}) {
    const auto none = CompileJsonSchema(*ParseJson(schema));
    ASSERT_FALSE(none) << schema;
    EXPECT_NE(none.error().message.find("no text matches"), std::string::npos);
    // As one of several ways it is never begun.
    const auto other =
        CompileJsonSchema(*ParseJson(fmt::format(R"({{"anyOf":[{},{{"type":"null"}}]}})", schema)));
    ASSERT_TRUE(other);
    EXPECT_TRUE(Takes(*other, "null"));
    EXPECT_FALSE(NewMatcher(*other, TestTrie())->Allows('{'));
    EXPECT_FALSE(NewMatcher(*other, TestTrie())->Allows('['));
  }
  EXPECT_TRUE(CompileJsonSchema(
      *ParseJson(R"({"type":"object","required":["a","a"],"minProperties":1,"maxProperties":1})")));
}

TEST(Schema, WhereNoTextMatchesIsSaid) {
  struct Row {
    const char* schema;
    const char* place;
  };
  for (const Row& row : {
           Row{R"({"type":"object","properties":{"a":{"type":"integer","minimum":3,"maximum":2}},
               "required":["a"]})",
               "In context=/properties/a, "},
           Row{R"({"type":"object","properties":{"a":{"type":"object","properties":{"b":
               {"type":"string","minLength":3,"maxLength":2}},"required":["b"]},"c":{"type":"null"}},
               "required":["c","a"]})",
               "In context=/properties/a/properties/b, "},
           Row{R"({"type":"array","minItems":1,"items":{"type":"object","properties":{"a":
               {"allOf":[{"type":"null"},{"type":"string"}]}},"required":["a"]}})",
               "In context=/items/properties/a, "},
           Row{R"({"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"required":["a"],
               "$defs":{"x":{"type":"integer","minimum":3,"maximum":2}}})",
               "In context=/properties/a, "},
           Row{R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["b"],
               "additionalProperties":false})",
               "In context=/additionalProperties, "},
           Row{R"({"type":"string","minLength":3,"maxLength":2})", ""},
       }) {
    const auto none = CompileJsonSchema(*ParseJson(row.schema));
    ASSERT_FALSE(none) << row.schema;
    EXPECT_EQ(none.error().message,
              std::string(row.place) + "no text matches: the constraints contradict each other");
  }
}

TEST(Schema, ObjectsKeepRequiredOrderAndClosedness) {
  const char* schema =
      R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}},
                           "required":["b"],"additionalProperties":false})";
  Expect(schema, {R"({"a":1,"b":null})", R"({"b":null})"},
         {R"({"a":1})", R"({})", R"({"b":null,"a":1})", R"({"b":null,"c":1})",
          R"({"b":null,"b":null})"});
  Expect(schema, {R"({"b":null,"a":1})"}, {R"({"a":1,"b":null,"a":2})"},
         {.key_order = KeyOrder::kAny});
}

TEST(Schema, OpenObjectsTakeDeclaredKeysAnywhere) {
  Expect(R"({"properties":{"a":{"type":"integer"},"b":{}},"required":["a"]})",
         {R"({"b":1,"a":2})", R"({"c":1,"a":2})", R"({"a":2,"c":[1]})", R"([1])", R"("x")"},
         {R"({"c":1})", R"({"a":"x"})", R"({"c":1,"c":2,"a":1})", R"({"a":1,"a":1})"});
}

const SchemaOptions kClosing{.open_objects = OpenObjects::kClosed};

TEST(ClosedObjects, UndeclaredKeysAreNotWritten) {
  Expect(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{}},"required":["a"]})",
         {R"({"a":1})", R"({"a":1,"b":[{"c":2}]})"},
         {R"({"a":1,"c":2})", R"({"b":1,"a":1})", R"({})"}, kClosing);
  Expect(R"({"type":"object","properties":{}})", {"{}"}, {R"({"a":1})"}, kClosing);
  // Wherever an object stands.
  Expect(R"({"type":"array","items":{"type":"object","properties":{"a":{"type":"object",
             "properties":{"b":{"$ref":"#/$defs/c"}}}}},"$defs":{"c":{"properties":{"d":{}}}}})",
         {R"([{"a":{"b":{"d":1}}},{}])", R"([{"a":{"b":7}}])"},
         {R"([{"x":1}])", R"([{"a":{"x":1}}])", R"([{"a":{"b":{"x":1}}}])"}, kClosing);
}

TEST(ClosedObjects, WhatTheSchemaSaysItselfIsWrittenBehindDeclaredKeys) {
  Expect(R"({"properties":{"a":{},"b":{}},"required":["b"],"additionalProperties":true})",
         {R"({"a":1,"b":2,"x":3,"y":4})", R"({"b":2,"x":3})", R"({"b":2})"},
         {R"({"x":3,"b":2})", R"({"b":2,"a":1})", R"({"b":1,"x":1,"a":1})", R"({"a":1})"},
         kClosing);
  Expect(R"({"properties":{"a":{}},"additionalProperties":{"type":"integer"}})",
         {R"({"a":[],"x":3})", R"({"x":3})"}, {R"({"x":"s"})"}, kClosing);
  Expect(R"({"type":"object","properties":{"a":{}},"patternProperties":{"^x":{"type":"integer"}}})",
         {R"({"a":1,"x1":3,"x2":4})"}, {R"({"y":1})", R"({"x1":"s"})"}, kClosing);
  Expect(R"({"type":"object","properties":{"a":{}},"unevaluatedProperties":{"type":"integer"}})",
         {R"({"a":"s","x":3})"}, {R"({"x":"s"})"}, kClosing);
  Expect(R"({"type":"object","properties":{"a":{}},"propertyNames":{"maxLength":1}})",
         {R"({"a":1,"b":2})"}, {R"({"ab":1})"}, kClosing);
  Expect(
      R"({"properties":{"a":{}},"additionalProperties":true,"minProperties":2,"maxProperties":3})",
      {R"({"a":1,"x":2})", R"({"x":1,"y":2,"z":3})"},
      {R"({"x":1,"a":2})", R"({"a":1})", R"({"a":1,"x":1,"y":2,"z":3})"}, kClosing);
}

TEST(ClosedObjects, FreeObjectsStayFree) {
  Expect(R"({"type":"object"})", {R"({"a":{"b":1}})", "{}"}, {"[]"}, kClosing);
  Expect("{}", {R"({"a":{"b":1}})", "3"}, {}, kClosing);
  Expect(R"({"type":"object","additionalProperties":{"type":"integer"}})", {R"({"a":1,"b":2})"},
         {R"({"a":"s"})"}, kClosing);
  Expect(R"({"type":"object","properties":{"a":{"type":"object"},"b":true},"required":["a"]})",
         {R"({"a":{"x":{"y":[]}},"b":{"z":1}})"}, {R"({"a":{},"c":1})"}, kClosing);
  Expect(R"({"type":"object","required":["a"],"minProperties":2})", {R"({"a":1,"x":2})"},
         {R"({"x":2,"a":1})"}, kClosing);
  // More members than are declared.
  Expect(R"({"type":"object","properties":{"a":{}},"minProperties":2})", {R"({"a":1,"x":2})"},
         {R"({"a":1})"}, kClosing);
}

TEST(ClosedObjects, RequiredKeysAreWrittenThoughNothingDeclaresThem) {
  Expect(R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a","other"]})",
         {R"({"a":1,"other":{"x":[1]}})", R"({"a":1,"other":null})"},
         {R"({"a":1})", R"({"other":1,"a":1})", R"({"a":1,"other":1,"x":1})"}, kClosing);
  Expect(R"({"properties":{"a":{},"b":{}},"dependentRequired":{"a":["c"],"z":["y"]}})",
         {R"({"a":1,"c":2})", R"({"a":1,"b":2,"c":3})", R"({"b":1})"},
         {R"({"a":1})", R"({"y":1,"z":2})", R"({"b":1,"y":1})"}, kClosing);
}

// The keys of everything that applies in place are declared, and no others.
TEST(ClosedObjects, ApplicatorsInPlaceDeclareTogether) {
  Expect(R"({"allOf":[{"type":"object","properties":{"a":{}},"required":["a"]},
             {"properties":{"b":{}},"required":["b"]}],"properties":{"c":{}}})",
         {R"({"c":0,"a":1,"b":2})", R"({"a":1,"b":2})"}, {R"({"a":1})", R"({"a":1,"b":2,"x":1})"},
         kClosing);
  Expect(R"({"$ref":"#/$defs/base","properties":{"b":{}},"$defs":{"base":{"type":"object",
             "properties":{"a":{"type":"integer"}},"required":["a"]}}})",
         {R"({"b":1,"a":2})", R"({"a":2})"}, {R"({"a":1,"x":2})"}, kClosing);
  const char* any_of = R"({"type":"object","properties":{"k":{}},"required":["k"],"anyOf":[
      {"properties":{"a":{"type":"integer"}},"required":["a"]},
      {"properties":{"b":{"type":"integer"}},"required":["b"]}]})";
  Expect(any_of, {R"({"k":0,"a":1})", R"({"k":0,"b":1})"},
         {R"({"k":0})", R"({"k":0,"a":1,"x":1})", R"({"k":0,"b":1,"a":"s"})"}, kClosing);
  Expect(R"({"type":"object","properties":{"k":{}},"oneOf":[
             {"properties":{"t":{"const":1},"a":{}},"required":["t"]},
             {"properties":{"t":{"const":2},"b":{}},"required":["t"]}]})",
         {R"({"k":0,"t":1,"a":1})", R"({"t":2,"b":1})"},
         {R"({"t":1,"b":1})", R"({"t":3})", R"({"t":1,"x":1})"}, kClosing);
  Expect(R"({"type":"object","properties":{"c":{"enum":["US","DE"]}},"required":["c"],
             "if":{"properties":{"c":{"const":"US"}}},"then":{"properties":{"zip":{"type":"integer"}},
             "required":["zip"]},"else":{"properties":{"plz":{"type":"string"}}}})",
         {R"({"c":"US","zip":1})", R"({"c":"DE","plz":"1"})", R"({"c":"DE"})"},
         {R"({"c":"US"})", R"({"c":"DE","zip":1})", R"({"c":"US","zip":1,"x":1})"}, kClosing);
  Expect(R"({"type":"object","properties":{"card":{}},"dependentSchemas":{
             "card":{"properties":{"owner":{}},"required":["owner"]},"other":{"properties":{"x":{}}}}})",
         {R"({"card":1,"owner":2})", "{}"}, {R"({"card":1})", R"({"owner":1})", R"({"other":1})"},
         kClosing);
  Expect(
      R"({"type":"object","properties":{"a":{}},"not":{"properties":{"a":{"const":1}},"required":["a"]}})",
      {R"({"a":2})", "{}"}, {R"({"a":1})", R"({"b":1})"}, kClosing);
}

// What counts as valid is what the schema says: an alternative is not closed to tell it apart.
TEST(ClosedObjects, ClosingOnlyNarrows) {
  const char* schema = R"({"type":"object","oneOf":[
      {"properties":{"a":{"type":"integer"}},"required":["a"]},
      {"properties":{"b":{"type":"integer"}},"required":["b"]}],"properties":{"a":{},"b":{}}})";
  Expect(schema, {R"({"a":1})", R"({"a":1,"b":"s"})"}, {R"({"a":1,"b":2})"}, kClosing);
  std::mt19937_64 random(11);
  for (const char* open :
       {schema,
        R"({"type":"object","properties":{"a":{"type":"boolean"},"b":{"type":"array","items":{
            "properties":{"c":{"type":"null"}}}}},"minProperties":2})",
        R"({"properties":{"a":{"type":"integer","maximum":9}},"required":["z"],"type":"object",
            "additionalProperties":{"type":"integer"},"minProperties":3})",
        R"({"type":"object","properties":{"a":{"maxLength":3}},"dependentRequired":{"a":["q"]},
            "if":{"required":["a"]},"then":{"properties":{"n":{"type":"integer"}},"required":["n"]}})"}) {
    const auto closed = Compile(open, kClosing);
    const auto any = Compile(open, {.key_order = KeyOrder::kAny});
    ASSERT_TRUE(closed && any) << open;
    for (int i = 0; i < 40; ++i) {
      const auto text = RandomText(*closed, TestTrie(), random, 30);
      ASSERT_TRUE(text) << open;
      EXPECT_TRUE(Takes(*any, *text)) << open << " on " << *text;
    }
  }
}

TEST(Schema, CountsOfProperties) {
  Expect(R"({"type":"object","minProperties":2,"maxProperties":3})",
         {R"({"a":1,"b":2})", R"({"a":1,"b":2,"c":3})"},
         {R"({"a":1})", R"({"a":1,"b":2,"c":3,"d":4})", R"({})"});
}

TEST(Schema, KeysByPatternAreSplitIntoClasses) {
  Expect(R"({"type":"object","patternProperties":{"^x":{"type":"integer"},"y$":{"minimum":5}},
             "additionalProperties":{"type":"null"}})",
         {R"({"x1":3})", R"({"xy":7})", R"({"ay":"s"})", R"({"b":null})"},
         {R"({"x1":"s"})", R"({"xy":3})", R"({"b":1})", R"({"ay":1})"});
  Expect(R"({"type":"object","propertyNames":{"pattern":"^[ab]$"}})",
         {R"({"a":1,"b":2})", R"({"b":1})"}, {R"({"c":1})", R"({"aa":1})"});
}

TEST(Schema, Dependencies) {
  const char* schema = R"({"properties":{"a":{},"b":{},"c":{}},"dependentRequired":{"a":["b"]},
      "dependentSchemas":{"c":{"required":["a"]}},"type":"object","additionalProperties":false})";
  Expect(schema, {R"({})", R"({"b":1})", R"({"a":1,"b":1})", R"({"a":1,"b":1,"c":1})"},
         {R"({"a":1})", R"({"c":1})", R"({"b":1,"c":1})"});
  // A key that needs an impossible one is impossible itself, not a trap.
  Expect(R"({"type":"object","properties":{"a":{},"c":{}},"dependentRequired":{"a":["b"],"c":["a"]},
             "additionalProperties":false})",
         {"{}"}, {R"({"a":1)", R"({"c":1)"});
}

TEST(Schema, Arrays) {
  Expect(R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],
             "items":{"type":"boolean"},"minItems":1,"maxItems":3})",
         {R"([1])", R"([1,"a"])", R"([1,"a",true])"},
         {R"([])", R"(["a"])", R"([1,2])", R"([1,"a",1])", R"([1,"a",true,true])"});
  Expect(R"({"type":"array","contains":{"const":1},"minContains":2,"maxContains":3})",
         {R"([1,1])", R"([0,1,"x",1])", R"([1,1,1])"},
         {R"([1])", R"([])", R"([1,1,1,1])", R"([0,0])"});
  Expect(R"({"type":"array","items":{"enum":["a","b",3]},"uniqueItems":true})",
         {R"([])", R"(["a","b",3])", R"([3,"a"])"},
         {R"(["a","a"])", R"([3,"b",3])", R"(["b","a",")"});
  Expect(R"({"type":"array","items":{"type":"string"},"uniqueItems":true})", {R"(["a","ab",""])"},
         {R"(["a","b","a"])", R"(["\u0061","a"])"});
}

TEST(Schema, StringsWithSeveralConstraints) {
  Expect(R"({"type":"string","pattern":"^a","minLength":2,"maxLength":3})", {R"("ab")", R"("abc")"},
         {R"("a")", R"("abcd")", R"("ba")"});
  Expect(R"({"type":"string","maxLength":2})",
         {"\"\xC3\xA9\xF0\x9F\x98\x80\"", R"("\u00e9\ud83d\ude00")", R"("\n\"")"},
         {R"("abc")", R"("\u00e9\ud83d\ude00x")"});
  Expect(R"({"type":"string","minLength":2})", {R"("ab")", R"("\n\"")"}, {R"("a")", R"("\u0061")"});
  Expect(R"({"allOf":[{"maxLength":10},{"pattern":"8$"},{"format":"date"}],"type":"string"})",
         {R"("2024-01-08")"}, {R"("2024-01-09")", R"("2024-13-08")"});
}

TEST(Schema, LengthsBesideOtherStrings) {
  Expect(R"({"anyOf":[{"type":"string","maxLength":2},{"type":"string","pattern":"^x+$"}]})",
         {R"("ab")", R"("xxxxx")", R"("")"}, {R"("abc")", R"("xxxy")"});
  Expect(R"({"anyOf":[{"type":"string","minLength":3},{"type":"string","enum":["a","b"]}]})",
         {R"("a")", R"("abc")"}, {R"("ab")", R"("c")"});
}

TEST(Schema, ChoicesAndNegation) {
  Expect(R"({"oneOf":[{"type":"integer","minimum":3},{"type":"integer","maximum":7}]})", {"1", "9"},
         {"5", "3", "7", R"("x")"});
  Expect(R"({"not":{"type":["string","object"]}})", {"1", "[]", "null"}, {R"("a")", "{}"});
  Expect(R"({"type":"object","not":{"required":["a"]}})", {R"({"b":1})", "{}"}, {R"({"a":1})"});
  Expect(R"({"type":"string","not":{"enum":["a","b"]}})", {R"("c")", R"("aa")"}, {R"("a")"});
  Expect(R"({"not":{"properties":{"k":{"const":1}},"required":["k"]}})", {R"({"k":2})", R"({})"},
         {R"({"k":1})", R"({"k":1,"z":2})", "3"});
  Expect(R"({"not":{"const":{"a":[1]}},"type":"object"})",
         {R"({"a":[2]})", R"({"a":[1],"b":1})", "{}"}, {R"({"a":[1]})"});
  Expect(R"({"if":{"properties":{"t":{"const":"x"}},"required":["t"]},"then":{"required":["v"]},
             "else":{"required":["w"]},"type":"object"})",
         {R"({"t":"x","v":1})", R"({"t":"y","w":1})", R"({"w":1})"},
         {R"({"t":"x","w":1})", R"({"t":"y","v":1})", "{}"});
}

TEST(Schema, ReferencesAndDialects) {
  Expect(R"({"$defs":{"n":{"type":["object","null"],"properties":{"next":{"$ref":"#/$defs/n"}},
             "additionalProperties":false}},"$ref":"#/$defs/n"})",
         {R"({"next":{"next":null}})", "null"}, {R"({"next":1})", R"({"nxt":null})"});
  Expect(R"({"$id":"http://h/a/b","$defs":{"x":{"$id":"c","$anchor":"y","type":"null"}},
             "properties":{"p":{"$ref":"c"},"q":{"$ref":"http://h/a/c#y"}}})",
         {R"({"p":null,"q":null})"}, {R"({"p":1})", R"({"q":1})"});
  // Draft 4: exclusiveMinimum is a flag, $ref hides its siblings, items may be a list.
  Expect(
      R"({"$schema":"http://json-schema.org/draft-04/schema#","minimum":3,"exclusiveMinimum":true,
             "type":"integer"})",
      {"4"}, {"3"});
  Expect(
      R"({"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{"type":"integer"}},
             "$ref":"#/definitions/a","maximum":1})",
      {"5"}, {R"("x")"});
  Expect(R"({"items":[{"type":"integer"}],"additionalItems":false,"type":"array"})", {"[]", "[1]"},
         {R"(["a"])", "[1,2]"});
}

TEST(Schema, UnevaluatedSeesWhatIsAppliedInPlaceAndNothingBeside) {
  Expect(R"({"type":"object","allOf":[{"properties":{"a":{}}},{"$ref":"#/$defs/b"}],
             "$defs":{"b":{"properties":{"b":{}}}},"unevaluatedProperties":false})",
         {R"({"a":1,"b":2})", "{}"}, {R"({"c":1})", R"({"a":1,"c":2})"});
  // Several choices may hold, and each evaluates.
  Expect(R"({"type":"object","anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},
             {"properties":{"b":{"const":2}},"required":["b"]}],"unevaluatedProperties":false})",
         {R"({"a":1,"b":2})", R"({"a":1})", R"({"b":2})"},
         {R"({"a":1,"b":3})", R"({"a":1,"c":1})", "{}"}, {.key_order = KeyOrder::kAny});
  Expect(R"({"allOf":[{"properties":{"a":{}}},{"unevaluatedProperties":false}],"type":"object"})",
         {"{}"}, {R"({"a":1})"});
  Expect(
      R"({"type":"array","prefixItems":[{}],"anyOf":[{"prefixItems":[{},{"const":1}]},{"maxItems":1}],
             "unevaluatedItems":false})",
      {"[0]", "[0,1]"}, {"[0,2]", "[0,1,1]"});
}

TEST(Schema, NumbersKeepTheirDigits) {
  Expect(R"({"type":"number","minimum":0.1,"exclusiveMaximum":1e2,"multipleOf":0.05})",
         {"0.1", "99.95", "5"}, {"0.05", "100", "0.12", "-1"});
  Expect(R"({"type":"integer","minimum":123456789012345678901234567890})",
         {"123456789012345678901234567890", "999999999999999999999999999999"},
         {"123456789012345678901234567889", "1"});
}

TEST(Schema, WhatIsNotEnforcedIsNamedOrRefused) {
  const char* schema =
      R"({"type":"object","properties":{"x":{"contains":{"const":1},"unevaluatedItems":{"type":"string"}}}})";
  const auto named = Compile(schema);
  ASSERT_TRUE(named);
  ASSERT_EQ((*named)->unenforced().size(), 1u);
  EXPECT_EQ((*named)->unenforced()[0].keyword, "unevaluatedItems");
  EXPECT_EQ((*named)->unenforced()[0].path, "/properties/x");
  const auto refused = Compile(schema, {.strictness = Strictness::kStrict});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(refused.error().param, "/properties/x/unevaluatedItems");
  for (const char* bad :
       {R"({"type":"strin"})", R"({"minLength":-1})", R"({"required":"a"})", R"({"anyOf":[]})",
        R"({"pattern":"("})", R"({"properties":[]})", R"({"multipleOf":0})", R"({"enum":3})",
        R"("schema")", R"({"allOf":[{"type":"string"},{"type":"null"}]})"}) {
    const auto error = Compile(bad);
    ASSERT_FALSE(error) << bad;
    EXPECT_EQ(error.error().code, ErrorCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(Compile(R"({"$ref":"http://example.com/x"})").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(Compile(R"({"$ref":"#/nowhere"})").error().code, ErrorCode::kNotFound);
}

TEST(Schema, ARefusalSaysEverythingOnce) {
  const auto refused = Compile(R"({"type":"object","properties":{"x":{"pattern":"(?<=a)b"}}})",
                               {.strictness = Strictness::kStrict});
  ASSERT_FALSE(refused);
  const std::string& message = refused.error().message;
  EXPECT_EQ(message.find("In context="), message.rfind("In context=")) << message;
  EXPECT_EQ(message.find(".."), std::string::npos) << message;
  EXPECT_EQ(refused.error().param, "/properties/x/pattern");
}

// Shapes that brought others down: huge repeats, deep nesting, endless references, many branches.
TEST(Schema, HostileSchemasEndInAnError) {
  EXPECT_TRUE(Compile(R"({"type":"string","maxLength":2000000000})"));
  EXPECT_TRUE(Compile(R"({"type":"array","minItems":1000000})"));
  EXPECT_TRUE(Compile(R"({"type":"string","pattern":"^(a{1,999999}){1,9999}$"})"));
  EXPECT_FALSE(
      Compile(R"({"allOf":[{"type":"string","maxLength":5},{"format":"date"}],"type":"string"})"));
  EXPECT_FALSE(Compile(R"({"$ref":"#"})"));  // says nothing
  EXPECT_FALSE(Compile(
      R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})"));
  EXPECT_TRUE(Compile(R"({"$ref":"#","type":"object"})"));
  EXPECT_FALSE(Compile(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})"));
  EXPECT_FALSE(Compile(R"({"allOf":[{"$ref":"#"}],"not":{"$ref":"#"}})"));
  std::string branches = R"({"allOf":[)";
  for (int i = 0; i < 20; ++i)
    branches += std::string(i == 0 ? "" : ",") +
                R"({"anyOf":[{"minLength":1},{"minimum":2},{"minItems":3}]})";
  const auto many = Compile(branches + "]}");
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, ErrorCode::kResourceExhausted);
}

TEST(Schema, RandomTextsOfManySchemasEndWithinTheGrammar) {
  std::mt19937_64 random(5);
  for (
      const char* schema :
      {R"({"type":"object","propertyNames":{"maxLength":1},"minProperties":3})",
       R"({"type":"array","uniqueItems":true,"items":{"type":"integer","minimum":0,"maximum":9},"minItems":8})",
       R"({"type":"object","properties":{"a":{"type":"string","minLength":5,"maxLength":6},"b":{"type":"array",
            "minItems":3,"items":{"format":"date"}}},"required":["a","b"],"additionalProperties":false})",
       R"({"type":"string","pattern":"^(?!.*aa)[ab]{4,8}$"})",
       R"({"type":"array","contains":{"type":"string"},"minContains":3,"maxContains":3,"maxItems":5})"}) {
    const auto grammar = Compile(schema);
    ASSERT_TRUE(grammar) << grammar.error().message;
    for (int i = 0; i < 30; ++i) {
      const auto text = RandomText(*grammar, TestTrie(), random, 30);
      ASSERT_TRUE(text) << schema;
      EXPECT_TRUE(Takes(*grammar, *text)) << schema << " on " << *text;
    }
  }
}

}  // namespace
}  // namespace infe::grammar
