#include "api/openai/message.h"

#include <gtest/gtest.h>

#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

TEST(Message, RolesAreReadAndDeveloperIsSystem) {
  const auto messages = MustParse(ChatBodyOf(R"({"role":"developer","content":"a"},)"
                                             R"({"role":"system","content":"b","name":"n"},)"
                                             R"({"role":"user","content":"c"},)"
                                             R"({"role":"assistant","content":"d"})"))
                            .messages;
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].role, Role::kSystem);
  EXPECT_EQ(messages[1].role, Role::kSystem);
  EXPECT_EQ(messages[1].name, "n");
  EXPECT_EQ(messages[2].role, Role::kUser);
  EXPECT_EQ(messages[3].role, Role::kAssistant);
  EXPECT_EQ(Name(messages[3].role), "assistant");
}

TEST(Message, WhatIsMissingOrWrongIsNamed) {
  ExpectRefused(ChatBodyOf(R"({"content":"a"})"), "messages[0].role", "missing_required_parameter");
  ExpectRefused(ChatBodyOf(R"({"role":"bot","content":"a"})"), "messages[0].role", "invalid_value");
  ExpectRefused(ChatBodyOf(R"({"role":7,"content":"a"})"), "messages[0].role", "invalid_type");
  ExpectRefused(ChatBodyOf(R"({"role":"user","content":"a"},7)"), "messages[1]", "invalid_type");
  ExpectRefused(ChatBodyOf(R"({"role":"user"})"), "messages[0].content",
                "missing_required_parameter");
  ExpectRefused(ChatBodyOf(R"({"role":"system","content":null})"), "messages[0].content",
                "missing_required_parameter");
  ExpectRefused(ChatBodyOf(R"({"role":"user","content":7})"), "messages[0].content",
                "invalid_type");
  ExpectRefused(ChatBodyOf(R"({"role":"user","content":"a","name":7})"), "messages[0].name",
                "invalid_type");
}

// A turn that said nothing comes back with the history, for ever after.
TEST(Message, AnAssistantTurnWithoutContentIsEmpty) {
  for (const char* turn :
       {R"({"role":"assistant","content":null})", R"({"role":"assistant"})",
        R"({"role":"assistant","content":""})", R"({"role":"assistant","tool_calls":[]})"}) {
    const auto messages = MustParse(ChatBodyOf(std::string(R"({"role":"user","content":"x"},)") +
                                               turn + R"(,{"role":"user","content":"y"})"))
                              .messages;
    EXPECT_TRUE(messages[1].has_content) << turn;
    EXPECT_EQ(messages[1].Text(), "") << turn;
  }
  const auto thought =
      MustParse(ChatBodyOf(R"({"role":"assistant","content":null,"reasoning":"hm"})")).messages;
  EXPECT_EQ(thought[0].reasoning_content, "hm");
}

TEST(Message, ContentPartsAreTextAndForTheAssistantRefusal) {
  const auto messages =
      MustParse(ChatBodyOf(R"({"role":"user","content":[{"type":"text","text":"a"},)"
                           R"({"type":"text","text":"b"}]},)"
                           R"({"role":"assistant","content":[{"type":"refusal","refusal":"no"}]})"))
          .messages;
  EXPECT_TRUE(messages[0].content_is_array);
  EXPECT_EQ(messages[0].Text(), "a\nb");
  EXPECT_EQ(messages[1].content[0].kind, ContentPart::Kind::kRefusal);
  const auto part = [](std::string_view text) {
    return ChatBodyOf(R"({"role":"user","content":[{"type":"text","text":"a"},)" +
                      std::string(text) + "]}");
  };
  const char* type = "messages[0].content[1].type";
  ExpectRefused(part(R"({"type":"image_url","image_url":{"url":"x"}})"), type, "unsupported_value");
  ExpectRefused(part(R"({"type":"input_audio","input_audio":{}})"), type, "unsupported_value");
  ExpectRefused(part(R"({"type":"file","file":{}})"), type, "unsupported_value");
  ExpectRefused(part(R"({"type":"refusal","refusal":"x"})"), type, "invalid_value");
  ExpectRefused(part(R"({"type":"poem"})"), type, "invalid_value");
  ExpectRefused(part(R"({"text":"x"})"), type, "missing_required_parameter");
  ExpectRefused(part(R"({"type":"text"})"), "messages[0].content[1].text",
                "missing_required_parameter");
  ExpectRefused(part(R"("x")"), "messages[0].content[1]", "invalid_type");
  ExpectRefused(ChatBodyOf(R"({"role":"user","content":[]})"), "messages[0].content",
                "empty_array");
}

// Histories as other servers and frameworks keep them.
TEST(Message, PartsOfOtherApisAreReadAsWhatTheySay) {
  const auto messages =
      MustParse(ChatBodyOf(R"({"role":"user","content":[{"type":"input_text","text":"a"}]},)"
                           R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm"},)"
                           R"({"type":"thinking","thinking":[{"type":"text","text":"so"}]},)"
                           R"({"type":"reasoning","text":"then"},)"
                           R"({"type":"output_text","text":"b"}]},)"
                           R"({"role":"assistant","reasoning_content":"x","content":[)"
                           R"({"type":"thinking","thinking":"hm","signature":"s"}]})"))
          .messages;
  EXPECT_EQ(messages[0].Text(), "a");
  EXPECT_EQ(messages[1].Text(), "b");
  EXPECT_EQ(messages[1].reasoning_content, "hm\nso\nthen");
  EXPECT_EQ(messages[2].Text(), "");
  EXPECT_EQ(messages[2].reasoning_content, "x");
  const auto part = [](std::string_view role, std::string_view text) {
    return ChatBodyOf(R"({"role":")" + std::string(role) + R"(","content":[)" + std::string(text) +
                      "]}");
  };
  ExpectRefused(part("user", R"({"type":"thinking","thinking":"hm"})"),
                "messages[0].content[0].type", "invalid_value");
  ExpectRefused(part("assistant", R"({"type":"thinking"})"), "messages[0].content[0].thinking",
                "missing_required_parameter");
  ExpectRefused(part("assistant", R"({"type":"thinking","thinking":[{"type":"text"}]})"),
                "messages[0].content[0].thinking[0].text", "missing_required_parameter");
  ExpectRefused(part("assistant", R"({"type":"thinking","thinking":[7]})"),
                "messages[0].content[0].thinking[0]", "invalid_type");
}

TEST(Message, CallsOfOtherApisAndEmptyResultsAreRead) {
  const auto messages =
      MustParse(
          ChatBodyOf(R"({"role":"assistant","tool_calls":[)"
                     R"({"id":"a","function":{"name":"f","arguments":{"x":[1,"\u00e9"]}}},)"
                     R"({"id":"b","type":"function","function":{"name":"f","arguments":""}}]},)"
                     R"({"role":"tool","tool_call_id":"a","content":null},)"
                     R"({"role":"tool","tool_call_id":"b"})"))
          .messages;
  EXPECT_EQ(messages[0].tool_calls[0].kind, ToolCall::Kind::kFunction);
  EXPECT_EQ(ParseJson(messages[0].tool_calls[0].arguments)->Dump(),
            ParseJson(R"({"x":[1,"\u00e9"]})")->Dump());
  for (const size_t i : {1u, 2u}) {
    EXPECT_TRUE(messages[i].has_content);
    EXPECT_EQ(messages[i].Text(), "");
  }
}

constexpr const char* kCall =
    R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",)"
    R"("function":{"name":"f","arguments":"{\"a\":1}"}}]})";

TEST(Message, ToolCallsAndTheirAnswersAreRead) {
  const auto messages =
      MustParse(ChatBodyOf(std::string(R"({"role":"user","content":"x"},)") + kCall +
                           R"(,{"role":"tool","tool_call_id":"c1","content":"7"},)"
                           R"({"role":"assistant","content":"done"})"))
          .messages;
  ASSERT_EQ(messages[1].tool_calls.size(), 1u);
  EXPECT_FALSE(messages[1].has_content);
  EXPECT_EQ(messages[1].tool_calls[0].id, "c1");
  EXPECT_EQ(messages[1].tool_calls[0].name, "f");
  EXPECT_EQ(messages[1].tool_calls[0].arguments, R"({"a":1})");
  EXPECT_EQ(messages[2].role, Role::kTool);
  EXPECT_EQ(messages[2].tool_call_id, "c1");
}

TEST(Message, OurOwnAnswerComesBackWithoutComplaint) {
  const auto request =
      MustParse(ChatBodyOf(R"({"role":"user","content":"x"},{"role":"assistant","content":null,)"
                           R"("refusal":null,"annotations":[],"audio":null,"function_call":null,)"
                           R"("reasoning_content":"hm","tool_calls":[{"index":0,"id":"c1",)"
                           R"("type":"function","function":{"name":"f","arguments":"{}"}}]},)"
                           R"({"role":"tool","tool_call_id":"c1","content":"7"})"),
                {.strict_params = true});
  EXPECT_EQ(request.messages[1].reasoning_content, "hm");
  EXPECT_TRUE(request.ignored.empty());
}

TEST(Message, BrokenArgumentsInHistoryAreKeptAsTheyAre) {
  const auto messages =
      MustParse(ChatBodyOf(R"({"role":"assistant","tool_calls":[{"id":"c","type":"function",)"
                           R"("function":{"name":"f","arguments":"{\"a\": [1, "}}]},)"
                           R"({"role":"tool","tool_call_id":"c","content":""})"))
          .messages;
  EXPECT_EQ(messages[0].tool_calls[0].arguments, R"({"a": [1, )");
}

TEST(Message, ToolCallFieldsAreCheckedByPath) {
  const auto with = [](std::string_view call) {
    return ChatBodyOf(R"({"role":"assistant","tool_calls":[)" + std::string(call) + "]}");
  };
  ExpectRefused(with(R"({"type":"function","function":{"name":"f","arguments":""}})"),
                "messages[0].tool_calls[0].id", "missing_required_parameter");
  ExpectRefused(with(R"({"id":"c","custom":{"name":"f","input":""}})"),
                "messages[0].tool_calls[0].type", "missing_required_parameter");
  ExpectRefused(with(R"({"id":"c","type":"magic"})"), "messages[0].tool_calls[0].type",
                "invalid_value");
  ExpectRefused(with(R"({"id":"c","type":"function","function":{"name":"f"}})"),
                "messages[0].tool_calls[0].function.arguments", "missing_required_parameter");
  ExpectRefused(with(R"({"id":"c","type":"function","function":{"name":"f","arguments":[]}})"),
                "messages[0].tool_calls[0].function.arguments", "invalid_type");
  ExpectRefused(ChatBodyOf(R"({"role":"tool","content":"x"})"), "messages[0].tool_call_id",
                "missing_required_parameter");
  ExpectRefused(ChatBodyOf(R"({"role":"assistant","content":"x","audio":{"id":"a"}})"),
                "messages[0].audio", "unsupported_parameter");
}

TEST(MessageHistory, ToolMessageWithoutItsCallIsRefused) {
  const std::string user = R"({"role":"user","content":"x"},)";
  ExpectRefused(ChatBodyOf(user + R"({"role":"tool","tool_call_id":"c1","content":"7"})"),
                "messages.[1].role", "-");
  // Another id, and an answer given twice.
  ExpectRefused(ChatBodyOf(user + kCall + R"(,{"role":"tool","tool_call_id":"c2","content":"7"})"),
                "messages.[2].role", "-");
  ExpectRefused(ChatBodyOf(user + kCall +
                           R"(,{"role":"tool","tool_call_id":"c1","content":"7"},)"
                           R"({"role":"tool","tool_call_id":"c1","content":"7"})"),
                "messages.[3].role", "-");
}

TEST(MessageHistory, UnansweredCallsAreRefusedWhereTheAnswerWasDue) {
  const std::string user = R"({"role":"user","content":"x"})";
  const std::string body = ChatBodyOf(user + "," + kCall + "," + user);
  ExpectRefused(body, "messages.[2].role", "-");
  ExpectRefused(ChatBodyOf(user + "," + kCall), "messages.[1].role", "-");
  const auto refused = ParseChatCompletionRequest(body);
  EXPECT_NE(refused.error().message.find("c1"), std::string::npos);
  // Two calls, one answer.
  const std::string two =
      R"({"role":"assistant","tool_calls":[)"
      R"({"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},)"
      R"({"id":"b","type":"custom","custom":{"name":"g","input":"raw"}}]})";
  ExpectRefused(ChatBodyOf(two + R"(,{"role":"tool","tool_call_id":"b","content":"1"},)" + user),
                "messages.[2].role", "-");
  const auto messages =
      MustParse(ChatBodyOf(two + R"(,{"role":"tool","tool_call_id":"b","content":"1"},)"
                                 R"({"role":"tool","tool_call_id":"a","content":"2"})"))
          .messages;
  EXPECT_EQ(messages[0].tool_calls[1].kind, ToolCall::Kind::kCustom);
  EXPECT_EQ(messages[0].tool_calls[1].arguments, "raw");
  MustParse(body, {.allow_unanswered_calls = true});
}

TEST(MessageHistory, LegacyFunctionCallsBecomeToolCalls) {
  const auto messages =
      MustParse(ChatBodyOf(R"({"role":"user","content":"x"},{"role":"assistant","content":null,)"
                           R"("function_call":{"name":"f","arguments":"{}"}},)"
                           R"({"role":"function","name":"f","content":null})"))
          .messages;
  ASSERT_EQ(messages[1].tool_calls.size(), 1u);
  EXPECT_EQ(messages[1].tool_calls[0].name, "f");
  EXPECT_EQ(messages[2].role, Role::kTool);
  EXPECT_EQ(messages[2].tool_call_id, messages[1].tool_calls[0].id);
  EXPECT_FALSE(messages[2].tool_call_id.empty());
  ExpectRefused(ChatBodyOf(R"({"role":"function","name":"f","content":"1"})"), "messages.[0].role",
                "-");
  ExpectRefused(ChatBodyOf(R"({"role":"function","content":"1"})"), "messages[0].name",
                "missing_required_parameter");
}

TEST(MessageHistory, NumberOfMessagesIsLimited) {
  const auto of = [](size_t count) {
    std::string items;
    for (size_t i = 0; i < count; ++i)
      items += std::string(i > 0 ? "," : "") + R"({"role":"user","content":"x"})";
    return ChatBodyOf(items);
  };
  EXPECT_EQ(MustParse(of(2048)).messages.size(), 2048u);
  ExpectRefused(of(2049), "messages", "array_above_max_length");
}

TEST(Message, AnImageIsRefusedOrBecomesItsPlaceholderAnywhereInTheHistory) {
  const std::string image =
      R"([{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}])";
  const std::string history =
      R"({"role":"user","content":)" + image +
      R"(},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
      R"({"role":"tool","tool_call_id":"c","content":)" +
      image + "}";
  ExpectRefused(ChatBodyOf(history), "messages[0].content[1].type", "unsupported_value");
  const ChatCompletionRequest request =
      MustParse(ChatBodyOf(history), {.images = Images::kPlaceholder});
  for (const size_t i : {0u, 2u})
    EXPECT_EQ(request.messages[i].Text(), std::string("see\n") + kImagePlaceholder);
  EXPECT_TRUE(request.ignored.empty()) << request.ignored.Header();
  // Sound and files are no images.
  ExpectRefused(ChatBodyOf(R"({"role":"user","content":[{"type":"file","file":{}}]})"),
                "messages[0].content[0].type", "unsupported_value",
                {.images = Images::kPlaceholder});
}

}  // namespace
}  // namespace infe::api
