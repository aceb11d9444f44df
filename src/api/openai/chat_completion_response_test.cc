#include "api/openai/chat_completion_response.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::api {
namespace {

ChatCompletionResponse Sample() {
  ChatCompletionResponse response;
  response.head = {.id = "chatcmpl-x",
                   .created = 1700000000,
                   .model = "infe-pulse",
                   .fingerprint = "fp_1",
                   .service_tier = {}};
  ChatChoice choice;
  choice.content = "Hi \"there\"\n\xe2\x82\xac";
  response.choices.push_back(choice);
  response.usage = {.prompt_tokens = 10,
                    .completion_tokens = 5,
                    .cached_tokens = 4,
                    .reasoning_tokens = 1,
                    .accepted_prediction_tokens = 2,
                    .rejected_prediction_tokens = 3};
  return response;
}

Json Written(const ChatCompletionResponse& response) {
  const std::string text = WriteChatCompletion(response);
  auto json = ParseJson(text);
  EXPECT_TRUE(json.has_value()) << text;
  return json ? *std::move(json) : Json::MakeObject();
}

TEST(ChatCompletionResponse, HasEveryFieldOfAPlainAnswer) {
  const Json json = Written(Sample());
  EXPECT_EQ(json.find("id")->as_string(), "chatcmpl-x");
  EXPECT_EQ(json.find("object")->as_string(), "chat.completion");
  EXPECT_EQ(json.find("created")->as_int64(), 1700000000);
  EXPECT_EQ(json.find("model")->as_string(), "infe-pulse");
  EXPECT_EQ(json.find("system_fingerprint")->as_string(), "fp_1");
  for (const char* name : {"service_tier", "seed", "timings", "metadata", "truncated_messages",
                           "x_unenforced", "error"})
    EXPECT_EQ(json.find(name), nullptr) << name;
  ASSERT_EQ(json.find("choices")->array().size(), 1u);
  const Json& choice = json.find("choices")->array()[0];
  EXPECT_EQ(choice.find("index")->as_int64(), 0);
  EXPECT_EQ(choice.find("finish_reason")->as_string(), "stop");
  EXPECT_TRUE(choice.find("logprobs")->is_null());
  const Json& message = *choice.find("message");
  EXPECT_EQ(message.find("role")->as_string(), "assistant");
  EXPECT_EQ(message.find("content")->as_string(), "Hi \"there\"\n\xe2\x82\xac");
  EXPECT_TRUE(message.find("refusal")->is_null());
  EXPECT_EQ(message.find("annotations")->Dump(), "[]");
  EXPECT_EQ(message.find("tool_calls"), nullptr);
  EXPECT_EQ(message.find("function_call"), nullptr);
  EXPECT_EQ(message.find("reasoning_content"), nullptr);
  EXPECT_EQ(json.find("usage")->Dump(),
            R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,)"
            R"("prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},)"
            R"("completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":0,)"
            R"("accepted_prediction_tokens":2,"rejected_prediction_tokens":3}})");
}

TEST(ChatCompletionResponse, ToolCallsStandBesideNullContent) {
  ChatCompletionResponse response = Sample();
  ChatChoice& choice = response.choices[0];
  choice.content.reset();
  choice.reasoning_content = "hm";
  choice.tool_calls = {{ToolCall::Kind::kFunction, "call_1", "f", R"({"a":"\n"})"},
                       {ToolCall::Kind::kCustom, "call_2", "c", "raw"}};
  choice.finish_reason = FinishReason::kToolCalls;
  const Json json = Written(response);
  const Json& message = *json.find("choices")->array()[0].find("message");
  EXPECT_TRUE(message.find("content")->is_null());
  EXPECT_EQ(message.find("reasoning_content")->as_string(), "hm");
  EXPECT_EQ(message.find("tool_calls")->Dump(),
            R"([{"id":"call_1","type":"function","function":{"name":"f",)"
            R"("arguments":"{\"a\":\"\\n\"}"}},)"
            R"({"id":"call_2","type":"custom","custom":{"name":"c","input":"raw"}}])");
  choice.legacy_function_call = true;
  choice.tool_calls.resize(1);
  choice.finish_reason = FinishReason::kFunctionCall;
  const Json legacy = Written(response);
  const Json& old = *legacy.find("choices")->array()[0].find("message");
  EXPECT_EQ(old.find("tool_calls"), nullptr);
  EXPECT_EQ(old.find("function_call")->find("name")->as_string(), "f");
  EXPECT_EQ(legacy.find("choices")->array()[0].find("finish_reason")->as_string(), "function_call");
}

TEST(ChatCompletionResponse, LogprobsKeepBytesThatAreNoCharacter) {
  ChatCompletionResponse response = Sample();
  TokenLogprob half{{"\xe2\x82", false, -0.5F}, {}};
  half.top.push_back({"\xe2\x82", false, -0.5F});
  half.top.push_back({"a\"", false, -1.25F});
  const TokenLogprob special{{"<|im_end|>", true, -std::numeric_limits<float>::infinity()}, {}};
  const TokenLogprob odd{{"", false, std::nanf("")}, {}};
  response.choices[0].logprobs = {half, special, odd};
  const Json json = Written(response);
  const Json& logprobs = *json.find("choices")->array()[0].find("logprobs");
  EXPECT_TRUE(logprobs.find("refusal")->is_null());
  const Json::Array& content = logprobs.find("content")->array();
  ASSERT_EQ(content.size(), 3u);
  EXPECT_EQ(content[0].find("token")->as_string(), "\\xe2\\x82");
  EXPECT_EQ(content[0].find("bytes")->Dump(), "[226,130]");
  EXPECT_EQ(content[0].find("logprob")->as_double(), -0.5);
  EXPECT_EQ(content[0].find("top_logprobs")->Dump(),
            R"([{"token":"\\xe2\\x82","logprob":-0.5,"bytes":[226,130]},)"
            R"({"token":"a\"","logprob":-1.25,"bytes":[97,34]}])");
  EXPECT_EQ(content[1].find("token")->as_string(), "<|im_end|>");
  EXPECT_TRUE(content[1].find("bytes")->is_null());
  EXPECT_EQ(content[1].find("logprob")->as_double(), -9999.0);
  EXPECT_EQ(content[1].find("top_logprobs")->Dump(), "[]");
  EXPECT_EQ(content[2].find("logprob")->as_double(), -9999.0);
  EXPECT_EQ(content[2].find("bytes")->Dump(), "[]");
}

TEST(ChatCompletionResponse, ExtrasStandBesideUsage) {
  ChatCompletionResponse response = Sample();
  response.head.service_tier = ServiceTier::kPriority;
  response.extras.seed = -7;
  response.extras.timings = Timings{.prepare_ms = 1.5,
                                    .queue_ms = 0.12345,
                                    .prefill_ms = 10,
                                    .decode_ms = 20.5,
                                    .ttft_ms = 1e300,
                                    .total_ms = 31,
                                    .prefill_tokens = 6,
                                    .cached_tokens = 4,
                                    .prefill_tokens_per_second = 600,
                                    .decode_tokens_per_second = 243.9024,
                                    .drafted_tokens = 3,
                                    .accepted_tokens = 2};
  response.extras.metadata.emplace().emplace_back("k\"", "v");
  response.extras.truncated_messages = 2;
  response.extras.unenforced = {"/properties/a: not"};
  const Json json = Written(response);
  EXPECT_EQ(json.find("service_tier")->as_string(), "priority");
  EXPECT_EQ(json.find("seed")->as_int64(), -7);
  EXPECT_EQ(json.find("metadata")->Dump(), R"({"k\"":"v"})");
  EXPECT_EQ(json.find("truncated_messages")->as_int64(), 2);
  EXPECT_EQ(json.find("x_unenforced")->Dump(), R"(["/properties/a: not"])");
  EXPECT_EQ(json.find("timings")->Dump(),
            R"({"prepare_ms":1.5,"queue_ms":0.123,"prefill_ms":10,"decode_ms":20.5,"ttft_ms":0,)"
            R"("total_ms":31,)"
            R"("prefill_tokens":6,"cached_tokens":4,"prefill_tokens_per_second":600,)"
            R"("decode_tokens_per_second":243.902,"drafted_tokens":3,"accepted_tokens":2})");
  response.extras.metadata->clear();
  EXPECT_EQ(Written(response).find("metadata")->Dump(), "{}");
}

TEST(ChatCompletionResponse, ChoicesKeepTheirIndices) {
  ChatCompletionResponse response = Sample();
  response.choices.push_back(response.choices[0]);
  response.choices[1].index = 1;
  response.choices[1].finish_reason = FinishReason::kLength;
  const Json json = Written(response);
  EXPECT_EQ(json.find("choices")->array()[1].find("index")->as_int64(), 1);
  EXPECT_EQ(json.find("choices")->array()[1].find("finish_reason")->as_string(), "length");
}

}  // namespace
}  // namespace infe::api
