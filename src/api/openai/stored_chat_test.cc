#include "api/openai/stored_chat.h"

#include <gtest/gtest.h>

namespace infe::api {
namespace {

TEST(StoredChat, MessagesAreListedWithTheirTextAndParts) {
  const std::string text = WriteStoredMessages(
      R"({"model":"m","messages":[{"role":"developer","content":"rules"},
          {"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]},
          {"role":"assistant","content":null,"tool_calls":[]}]})",
      "chatcmpl-x");
  const Json messages = *ParseJson(text);
  ASSERT_EQ(messages.array().size(), 3u);
  EXPECT_EQ(messages.array()[0].Dump(),
            R"({"role":"developer","content":"rules","content_parts":null,"id":"chatcmpl-x-0",)"
            R"("name":null,"refusal":null})");
  EXPECT_EQ(*messages.array()[1].find("content"), Json("one\ntwo"));
  EXPECT_EQ(messages.array()[1].find("content_parts")->array().size(), 2u);
  EXPECT_TRUE(messages.array()[2].find("content")->is_null());
}

TEST(StoredChat, APairIsFoundExactlyIfItIsThere) {
  const std::string labels = LabelsOf(Metadata{{"a", "b"}, {"c\n", "\"d\""}});
  const auto has = [&](std::string_view key, std::string_view value) {
    return labels.find(LabelOf(key, value)) != std::string::npos;
  };
  EXPECT_TRUE(has("a", "b"));
  EXPECT_TRUE(has("c\n", "\"d\""));
  EXPECT_FALSE(has("", "b"));
  EXPECT_FALSE(has("a", ""));
  EXPECT_FALSE(has("a", "\"d\""));
  EXPECT_FALSE(has("c\n", "d"));
  EXPECT_EQ(LabelsOf(std::nullopt), "");
}

TEST(StoredChat, AListIsAskedForByModelAndPairs) {
  const auto query = ParseStoredChatQuery("model=m&metadata%5Ba%5D=b+c&limit=7&order=desc");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->model, "m");
  EXPECT_EQ(query->labels, std::vector{LabelOf("a", "b c")});
  EXPECT_EQ(query->page.limit, 7u);
  EXPECT_FALSE(query->page.ascending);
  EXPECT_TRUE(ParseStoredChatQuery("")->page.ascending);
  for (const char* wrong : {"limit=101", "order=up", "model=%zz"})
    EXPECT_FALSE(ParseStoredChatQuery(wrong)) << wrong;
}

TEST(StoredChat, OtherMetadataTakesTheOldOnesPlace) {
  EXPECT_EQ(WithMetadata(R"({"id":"x","metadata":{"a":"b"},"n":1.50})", {{"c", "d"}}),
            R"({"id":"x","metadata":{"c":"d"},"n":1.50})");
  EXPECT_EQ(WithMetadata(R"({"id":"x"})", {}), R"({"id":"x","metadata":{}})");
}

}  // namespace
}  // namespace infe::api
