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
  for (const char* text : {"", "{", "[1,]", "{\"a\":1,}", "01", "NaN", "nul", "\"\x01\"", "\"\xC0\xAF\"",
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

TEST(Json, StringsAreEscapedAndMalformedBytesReplaced) {
  std::string out;
  AppendJsonString(out, std::string("a\"\\\n\x01\xC3\xA9\xFF") + '\0');
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBD\\u0000\"");
}

}  // namespace
}  // namespace infe
