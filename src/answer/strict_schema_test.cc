#include "answer/strict_schema.h"

#include <gtest/gtest.h>

namespace infe::answer {
namespace {

// The pointer of the refusal, "" where it is taken.
std::string RefusedAt(const char* text) {
  const auto checked = CheckStrictSchema(*ParseJson(text));
  return checked ? "" : checked.error().param;
}

TEST(StrictSchema, ClosedObjectsWithAllKeysRequiredAreTaken) {
  EXPECT_EQ(RefusedAt(R"({"type":"object","properties":{},"additionalProperties":false})"), "");
  EXPECT_EQ(RefusedAt(R"({"type":"object","properties":{"a":{"type":["string","null"]}},
                          "required":["a"],"additionalProperties":false})"),
            "");
  // A property may be called like a keyword, and values are no schemas.
  EXPECT_EQ(RefusedAt(R"({"type":"object","properties":{"properties":{"const":{"type":"object"}}},
                          "required":["properties"],"additionalProperties":false})"),
            "");
}

TEST(StrictSchema, EachBrokenRuleIsRefusedWhereItIs) {
  EXPECT_EQ(RefusedAt(R"({"type":"string"})"), "/");
  EXPECT_EQ(RefusedAt("true"), "/");
  EXPECT_EQ(RefusedAt(R"({"type":"object","anyOf":[],"additionalProperties":false})"), "/");
  EXPECT_EQ(RefusedAt(R"({"type":"object","properties":{}})"), "/");
  EXPECT_EQ(RefusedAt(R"({"type":"object","additionalProperties":true})"), "/");
  EXPECT_EQ(RefusedAt(R"({"type":"object","properties":{"a":{}},"additionalProperties":false})"),
            "/");
}

TEST(StrictSchema, NestedObjectsAreHeldToIt) {
  const auto inside = [](const std::string& place) {
    return RefusedAt(("{\"type\":\"object\",\"properties\":{\"a\":{}},\"required\":[\"a\"],"
                      "\"additionalProperties\":false," +
                      place + "}")
                         .c_str());
  };
  EXPECT_EQ(inside(R"("$defs":{"d":{"type":"object"}})"), "/$defs/d");
  EXPECT_EQ(inside(R"("allOf":[{},{"properties":{}}])"), "/allOf/1");
  EXPECT_EQ(inside(R"("items":{"type":["null","object"]})"), "/items");
  EXPECT_EQ(RefusedAt(R"({"type":"object","properties":{"a":{"type":"array","items":
                          {"type":"object","properties":{"b":{}},"additionalProperties":false}}},
                          "required":["a"],"additionalProperties":false})"),
            "/properties/a/items");
}

}  // namespace
}  // namespace infe::answer
