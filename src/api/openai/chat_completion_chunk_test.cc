#include "api/openai/chat_completion_chunk.h"

#include <map>

#include <gtest/gtest.h>

#include "api/openai/chat_completion_response.h"
#include "base/json.h"

namespace infe::api {
namespace {

ResponseHead Head() {
  return {.id = "chatcmpl-\"x",
          .created = 1700000000,
          .model = "m\n",
          .fingerprint = "fp_1",
          .service_tier = {}};
}

Json Parsed(std::string_view chunk) {
  auto json = ParseJson(chunk);
  EXPECT_TRUE(json.has_value()) << chunk;
  EXPECT_EQ(chunk.find('\n'), std::string_view::npos);
  return json ? *std::move(json) : Json::MakeObject();
}
const Json& Choice(const Json& chunk) {
  return chunk.find("choices")->array()[0];
}
std::string Delta(const Json& chunk) {
  return Choice(chunk).find("delta")->Dump();
}

TEST(ChunkWriter, ChunksOfAPlainStream) {
  ChunkWriter writer(Head(), {});
  const Json role = Parsed(writer.Role(0));
  EXPECT_EQ(role.find("id")->as_string(), "chatcmpl-\"x");
  EXPECT_EQ(role.find("object")->as_string(), "chat.completion.chunk");
  EXPECT_EQ(role.find("created")->as_int64(), 1700000000);
  EXPECT_EQ(role.find("model")->as_string(), "m\n");
  EXPECT_EQ(role.find("system_fingerprint")->as_string(), "fp_1");
  EXPECT_EQ(Delta(role), R"({"role":"assistant","content":"","refusal":null})");
  EXPECT_TRUE(Choice(role).find("finish_reason")->is_null());
  EXPECT_TRUE(Choice(role).find("logprobs")->is_null());
  for (const char* name : {"usage", "seed", "timings", "obfuscation", "error", "service_tier"})
    EXPECT_EQ(role.find(name), nullptr) << name;

  const Json content = Parsed(writer.Content(0, "a\"\n\xe2\x82\xac"));
  EXPECT_EQ(Choice(content).find("delta")->find("content")->as_string(), "a\"\n\xe2\x82\xac");
  EXPECT_EQ(Choice(content).find("delta")->object().size(), 1u);
  EXPECT_EQ(content.find("id")->as_string(), role.find("id")->as_string());

  const ResponseExtras extras{.seed = 7, .timings = Timings{}};
  const Json finish = Parsed(writer.Finish(0, FinishReason::kStop, nullptr, &extras));
  EXPECT_EQ(Delta(finish), "{}");
  EXPECT_EQ(Choice(finish).find("finish_reason")->as_string(), "stop");
  EXPECT_EQ(finish.find("seed")->as_int64(), 7);
  EXPECT_NE(finish.find("timings"), nullptr);
  EXPECT_EQ(finish.find("usage"), nullptr);
}

TEST(ChunkWriter, UsageComesOnceAndIsNullBefore) {
  ChunkWriter writer(Head(), {.include_usage = true});
  for (const Json& chunk : {Parsed(writer.Role(0)), Parsed(writer.Content(0, "a")),
                            Parsed(writer.Finish(0, FinishReason::kLength))}) {
    ASSERT_NE(chunk.find("usage"), nullptr);
    EXPECT_TRUE(chunk.find("usage")->is_null());
    EXPECT_EQ(chunk.find("seed"), nullptr);
  }
  const Json usage =
      Parsed(writer.UsageChunk({.prompt_tokens = 3, .completion_tokens = 4}, {.seed = 1}));
  EXPECT_EQ(usage.find("choices")->Dump(), "[]");
  EXPECT_EQ(usage.find("usage")->find("total_tokens")->as_int64(), 7);
  EXPECT_EQ(usage.find("seed")->as_int64(), 1);
}

TEST(ChunkWriter, RoleGoesOutOncePerChoiceWhateverComesFirst) {
  ChunkWriter writer(Head(), {});
  const ToolCall call{ToolCall::Kind::kFunction, "call_1", "f", ""};
  EXPECT_EQ(Delta(Parsed(writer.Content(0, "x"))),
            R"({"role":"assistant","refusal":null,"content":"x"})");
  EXPECT_EQ(Delta(Parsed(writer.ToolCallBegin(1, 0, call))),
            R"({"role":"assistant","content":null,"refusal":null,"tool_calls":[{"index":0,)"
            R"("id":"call_1","type":"function","function":{"name":"f","arguments":""}}]})");
  EXPECT_EQ(Delta(Parsed(writer.Finish(2, FinishReason::kStop))),
            R"({"role":"assistant","refusal":null,"content":""})");
  EXPECT_EQ(Delta(Parsed(writer.Reasoning(3, "hm"))),
            R"({"role":"assistant","content":null,"refusal":null,"reasoning_content":"hm"})");
  EXPECT_EQ(Delta(Parsed(writer.Content(0, "y"))), R"({"content":"y"})");
  EXPECT_EQ(Delta(Parsed(writer.Reasoning(3, "m"))), R"({"reasoning_content":"m"})");
  EXPECT_EQ(Delta(Parsed(writer.Finish(1, FinishReason::kToolCalls))), "{}");
}

TEST(ChunkWriter, CallDeltasRepeatNoString) {
  ChunkWriter writer(Head(), {});
  writer.Role(0);
  const ToolCall custom{ToolCall::Kind::kCustom, "call_2", "c", ""};
  EXPECT_EQ(Delta(Parsed(writer.ToolCallArguments(0, 0, "{\"a\":"))),
            R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]})");
  EXPECT_EQ(Delta(Parsed(writer.ToolCallBegin(0, 1, custom))),
            R"({"tool_calls":[{"index":1,"id":"call_2","type":"custom",)"
            R"("custom":{"name":"c","input":""}}]})");
  EXPECT_EQ(Delta(Parsed(writer.ToolCallArguments(0, 1, "x", ToolCall::Kind::kCustom))),
            R"({"tool_calls":[{"index":1,"custom":{"input":"x"}}]})");
  EXPECT_EQ(Delta(Parsed(writer.FunctionCallBegin(0, "f"))),
            R"({"function_call":{"name":"f","arguments":""}})");
  EXPECT_EQ(Delta(Parsed(writer.FunctionCallArguments(0, "{}"))),
            R"({"function_call":{"arguments":"{}"}})");
}

TEST(ChunkWriter, ObfuscationEvensOutTheSizeOfDeltas) {
  ChunkWriter writer(Head(), {.include_obfuscation = true, .obfuscation_seed = 42});
  writer.Role(0);
  const size_t size = writer.Content(0, "").size();
  std::string last;
  for (const char* text : {"a", "ab", "abcdefgh", "\xe2\x82\xac", "\n"}) {
    const std::string_view chunk = writer.Content(0, text);
    EXPECT_EQ(chunk.size(), size) << text;
    const Json json = Parsed(chunk);
    const std::string padding = json.find("obfuscation")->as_string();
    EXPECT_FALSE(padding.empty());
    EXPECT_NE(padding, last);
    last = padding;
    EXPECT_EQ(Choice(json).find("delta")->find("content")->as_string(), text);
  }
  EXPECT_EQ(writer.Content(0, std::string(16, 'a')).size(), size + 16);
  EXPECT_NE(Parsed(writer.Finish(0, FinishReason::kStop)).find("obfuscation"), nullptr);
}

TEST(ChunkWriter, LogprobsOfAChunkAreItsTokens) {
  ChunkWriter writer(Head(), {});
  const std::vector<TokenLogprob> tokens{{{"a", false, -0.25F}, {{"a", false, -0.25F}}}};
  const Json chunk = Parsed(writer.Content(0, "a", &tokens));
  EXPECT_EQ(Choice(chunk).find("logprobs")->Dump(),
            R"({"content":[{"token":"a","logprob":-0.25,"bytes":[97],"top_logprobs":)"
            R"([{"token":"a","logprob":-0.25,"bytes":[97]}]}],"refusal":null})");
  EXPECT_EQ(Choice(Parsed(writer.Finish(0, FinishReason::kStop, &tokens)))
                .find("logprobs")
                ->find("content")
                ->array()
                .size(),
            1u);
}

// Adds chunks up as the Python client does: strings and arrays of calls grow, the rest replaces.
class Accumulator {
 public:
  void Add(std::string_view text) {
    const Json chunk = Parsed(text);
    for (const Json& choice : chunk.find("choices")->array()) {
      Json& message = messages_[*choice.find("index")->as_int64()];
      if (message.is_null()) message = Json::MakeObject();
      Merge(message, *choice.find("delta"));
      if (!choice.find("finish_reason")->is_null())
        finish_[*choice.find("index")->as_int64()].push_back(
            choice.find("finish_reason")->as_string());
      if (!choice.find("logprobs")->is_null())
        for (const Json& token : choice.find("logprobs")->find("content")->array())
          logprobs_[*choice.find("index")->as_int64()].push_back(token);
    }
    for (const char* name : {"seed", "timings", "usage", "metadata"})
      if (const Json* value = chunk.find(name); value != nullptr && !value->is_null())
        top_.set(name, *value);
  }
  const Json& message(int64_t index) { return messages_[index]; }
  const std::vector<std::string>& finish(int64_t index) { return finish_[index]; }
  const Json::Array& logprobs(int64_t index) { return logprobs_[index]; }
  const Json* top(std::string_view name) const { return top_.find(name); }

 private:
  static void Merge(Json& into, const Json& delta) {
    for (const auto& [key, value] : delta.object()) {
      const Json* old = into.find(key);
      if (key == "index" || key == "type" || old == nullptr || old->is_null()) {
        if (key != "tool_calls") {
          into.set(key, value);
          continue;
        }
      }
      if (value.is_string()) {
        into.set(key, old->as_string() + value.as_string());
      } else if (value.is_object()) {
        Json merged = *old;
        Merge(merged, value);
        into.set(key, merged);
      } else if (value.is_array()) {
        Json calls = old == nullptr ? Json::MakeArray() : *old;
        for (const Json& call : value.array()) {
          const auto index = static_cast<size_t>(*call.find("index")->as_int64());
          ASSERT_LE(index, calls.array().size()) << "indices have a gap";
          if (index == calls.array().size()) {
            calls.push_back(call);
          } else {
            Merge(calls.array()[index], call);
          }
        }
        into.set(key, calls);
      }
    }
  }

  std::map<int64_t, Json> messages_;
  std::map<int64_t, std::vector<std::string>> finish_;
  std::map<int64_t, Json::Array> logprobs_;
  Json top_ = Json::MakeObject();
};

TEST(ChunkWriter, StreamAndItsTwinAgreeFieldByField) {
  ChatCompletionResponse twin;
  twin.head = Head();
  twin.usage = {.prompt_tokens = 9, .completion_tokens = 8};
  twin.extras = {.seed = 5, .timings = Timings{.total_ms = 1.5}};
  twin.extras.metadata.emplace().emplace_back("k", "v");
  const std::vector<TokenLogprob> one{{{"He", false, -0.5F}, {}}};
  const std::vector<TokenLogprob> two{{{"llo", false, -0.75F}, {}}};
  ChatChoice text;
  text.content = "Hello \"\xe2\x82\xac\"";
  text.reasoning_content = "let me see";
  text.logprobs = {one[0], two[0]};
  ChatChoice calls;
  calls.index = 1;
  calls.tool_calls = {{ToolCall::Kind::kFunction, "call_1", "f", R"({"city":"K\u00f6ln"})"},
                      {ToolCall::Kind::kCustom, "call_2", "c", "a\\b"}};
  calls.finish_reason = FinishReason::kToolCalls;
  twin.choices = {text, calls};

  ChunkWriter writer(twin.head, {.include_usage = true});
  Accumulator sum;
  sum.Add(writer.Role(0));
  sum.Add(writer.Reasoning(0, "let me"));
  ToolCall begin = calls.tool_calls[0];
  begin.arguments.clear();
  sum.Add(writer.ToolCallBegin(1, 0, begin));
  sum.Add(writer.Reasoning(0, " see"));
  for (const char c : calls.tool_calls[0].arguments)
    sum.Add(writer.ToolCallArguments(1, 0, std::string_view(&c, 1)));
  sum.Add(writer.Content(0, "Hello", &one));
  begin = calls.tool_calls[1];
  begin.arguments = "a";
  sum.Add(writer.ToolCallBegin(1, 1, begin));
  sum.Add(writer.ToolCallArguments(1, 1, "\\b", ToolCall::Kind::kCustom));
  sum.Add(writer.Content(0, " \"\xe2\x82\xac\"", &two));
  sum.Add(writer.Finish(1, FinishReason::kToolCalls));
  sum.Add(writer.Finish(0, FinishReason::kStop));
  sum.Add(writer.UsageChunk(twin.usage, twin.extras));

  const Json whole = *ParseJson(WriteChatCompletion(twin));
  for (const Json& choice : whole.find("choices")->array()) {
    const int64_t index = *choice.find("index")->as_int64();
    Json expected = *choice.find("message");
    Json actual = sum.message(index);
    actual.set("annotations", Json::MakeArray());  // a stream has none to send
    if (const Json* list = actual.find("tool_calls")) {
      Json plain = Json::MakeArray();
      for (const Json& call : list->array()) {
        Json copy = Json::MakeObject();
        for (const auto& [key, value] : call.object())
          if (key != "index") copy.set(key, value);
        plain.push_back(copy);
      }
      actual.set("tool_calls", plain);
    }
    EXPECT_EQ(actual, expected) << actual.Dump() << "\n" << expected.Dump();
    EXPECT_EQ(sum.finish(index),
              std::vector<std::string>{choice.find("finish_reason")->as_string()});
  }
  EXPECT_EQ(Json(sum.logprobs(0)),
            *whole.find("choices")->array()[0].find("logprobs")->find("content"));
  for (const char* name : {"seed", "timings", "usage", "metadata"}) {
    ASSERT_NE(sum.top(name), nullptr) << name;
    EXPECT_EQ(*sum.top(name), *whole.find(name)) << name;
  }
}

TEST(ChunkWriter, LegacyCallTwinAgrees) {
  ChatCompletionResponse twin;
  twin.head = Head();
  ChatChoice choice;
  choice.legacy_function_call = true;
  choice.tool_calls = {{ToolCall::Kind::kFunction, "x", "f", R"({"a":1})"}};
  choice.finish_reason = FinishReason::kFunctionCall;
  twin.choices = {choice};
  ChunkWriter writer(twin.head, {});
  Accumulator sum;
  sum.Add(writer.FunctionCallBegin(0, "f"));
  sum.Add(writer.FunctionCallArguments(0, "{\"a\""));
  sum.Add(writer.FunctionCallArguments(0, ":1}"));
  sum.Add(writer.Finish(0, FinishReason::kFunctionCall));
  Json actual = sum.message(0);
  actual.set("annotations", Json::MakeArray());
  EXPECT_EQ(actual,
            *ParseJson(WriteChatCompletion(twin))->find("choices")->array()[0].find("message"));
}

}  // namespace
}  // namespace infe::api
