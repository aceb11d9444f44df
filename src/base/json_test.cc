#include "base/json.h"

#include <gtest/gtest.h>

namespace infe {
namespace {

TEST(Json, RoundTripKeepsOrderAndNumberText) {
  const std::string text = R"({"b":1e999,"a":[0.10,-0,123456789012345678901234567890],"c":{}})";
  auto json = ParseJson(text);
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(json->Dump(), text);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"", "{", "[1,]", "{\"a\":1,}", "01", "NaN", "nul", "\"\x01\"", "\"\xC0\xAF\"",
        "\"\\ud800\"", "1 2", "{\"a\":1,\"a\":2}", "'a'", "[1]x", "\xEF\xBB\xBF{}"}) {
    EXPECT_FALSE(ParseJson(text)) << text;
  }
}

TEST(Json, NamesTheDuplicateKey) {
  auto json = ParseJson(R"({"model":"a","model":"b"})");
  ASSERT_FALSE(json);
  EXPECT_NE(json.error().message.find("model"), std::string::npos);
}

TEST(Json, DepthLimitIsExact) {
  const std::string ok = std::string(64, '[') + std::string(64, ']');
  const std::string deep = std::string(65, '[') + std::string(65, ']');
  EXPECT_TRUE(ParseJson(ok));
  ASSERT_FALSE(ParseJson(deep));
  EXPECT_NE(ParseJson(deep).error().message.find("64"), std::string::npos);
  EXPECT_FALSE(ParseJson(std::string(100000, '[')));
}

TEST(Json, ValueLimitIsExactAndCountsEveryKind) {
  std::string most = "[0";
  for (int i = 2; i < (1 << 18); ++i) most += ",0";
  EXPECT_TRUE(ParseJson(most + "]"));
  const auto refused = ParseJson(most + ",0]");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("more than 262144 values"), std::string::npos);
  for (const char* unit : {"0,", "[],", "{},", "\"\",", "null,", "[[]],"}) {
    std::string text = "[";
    while (text.size() < (2u << 20)) text += unit;
    EXPECT_FALSE(ParseJson(text + "0]")) << unit;
  }
  std::string keys = "{";
  for (int i = 0; i < (1 << 18); ++i) keys += "\"" + std::to_string(i) + "\":0,";
  EXPECT_FALSE(ParseJson(keys + "\"x\":0}"));
}

TEST(Json, IntegersAreReadByValue) {
  EXPECT_EQ(ParseJson("9223372036854775807")->as_int64(), INT64_MAX);
  EXPECT_EQ(ParseJson("9223372036854775808")->as_int64(), std::nullopt);
  EXPECT_EQ(ParseJson("1e2")->as_int64(), 100);
  EXPECT_EQ(ParseJson("1.5")->as_int64(), std::nullopt);
  EXPECT_FALSE(ParseJson("1.0")->is_integer());
}

TEST(Json, LargeObjectsFindDuplicatesToo) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(ParseJson(text + "\"x\":1}"));
  EXPECT_FALSE(ParseJson(text + "\"k77\":1}"));
}

// The last one wins, in the place of the first, and a hundred thousand of them take no time.
TEST(Json, DuplicateKeysMayBeAllowed) {
  EXPECT_EQ(ParseJson(R"({"a":1,"b":2,"a":[3]})", {.allow_duplicate_keys = true})->Dump(),
            R"({"a":[3],"b":2})");
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"" + std::to_string(i) + "\":0,";
  for (int i = 0; i < 100'000; ++i) text += "\"99999\":" + std::to_string(i) + ",";
  const auto json = ParseJson(text + "\"x\":1}", {.allow_duplicate_keys = true});
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(json->object().size(), 100'001u);
  EXPECT_EQ(json->object()[99'999].second.as_int64(), 99'999);
}

TEST(Json, StringsAreEscapedAndMalformedBytesReplaced) {
  std::string out;
  AppendJsonString(out, std::string("a\"\\\n\x01\xC3\xA9\xFF") + '\0');
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBD\\u0000\"");
}

}  // namespace
}  // namespace infe
