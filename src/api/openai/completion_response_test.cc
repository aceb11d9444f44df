#include "api/openai/completion_response.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::api {
namespace {

ResponseHead Head() {
  return {.id = "cmpl-x", .created = 5, .model = "m", .fingerprint = "fp_1", .service_tier = {}};
}

CompletionLogprobs Logprobs() {
  CompletionLogprobs logprobs;
  logprobs.tokens.push_back(
      {.token = {"A", false, 0}, .has_logprob = false, .top = {}, .text_offset = 0});
  logprobs.tokens.push_back({.token = {"\xff", false, -1.5F},
                             .has_logprob = true,
                             .top = {{"\xff", false, -1.5F}, {"b", false, -2}, {"b", true, -3}},
                             .text_offset = 1});
  return logprobs;
}

TEST(CompletionResponse, HasTheOlderShape) {
  CompletionResponse response;
  response.head = Head();
  response.choices.push_back(
      {.index = 0, .text = "A\n", .logprobs = Logprobs(), .finish_reason = FinishReason::kLength});
  response.choices.push_back(
      {.index = 1, .text = "", .logprobs = {}, .finish_reason = FinishReason::kStop});
  response.usage = {.prompt_tokens = 1, .completion_tokens = 2};
  response.extras.seed = 3;
  const auto json = ParseJson(WriteCompletion(response));
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->find("object")->as_string(), "text_completion");
  EXPECT_EQ(json->find("seed")->as_int64(), 3);
  EXPECT_EQ(json->find("usage")->find("total_tokens")->as_int64(), 3);
  const Json& choice = json->find("choices")->array()[0];
  EXPECT_EQ(choice.find("text")->as_string(), "A\n");
  EXPECT_EQ(choice.find("finish_reason")->as_string(), "length");
  EXPECT_EQ(choice.find("logprobs")->Dump(),
            R"({"tokens":["A","bytes:\\xff"],"token_logprobs":[null,-1.5],)"
            R"("top_logprobs":[null,{"bytes:\\xff":-1.5,"b":-2}],"text_offset":[0,1]})");
  EXPECT_TRUE(json->find("choices")->array()[1].find("logprobs")->is_null());
}

TEST(CompletionChunkWriter, ChunksJoinToTheAnswer) {
  CompletionChunkWriter writer(Head(), true);
  std::string text;
  const CompletionLogprobs logprobs = Logprobs();
  for (const char* piece : {"a", "\"", "\n"}) {
    const auto json = ParseJson(writer.Text(0, piece, &logprobs));
    ASSERT_TRUE(json.has_value());
    EXPECT_EQ(json->find("object")->as_string(), "text_completion");
    EXPECT_TRUE(json->find("usage")->is_null());
    const Json& choice = json->find("choices")->array()[0];
    EXPECT_TRUE(choice.find("finish_reason")->is_null());
    EXPECT_EQ(choice.find("logprobs")->find("tokens")->array().size(), 2u);
    text += choice.find("text")->as_string();
  }
  EXPECT_EQ(text, "a\"\n");
  const auto finish = ParseJson(writer.Finish(0, FinishReason::kStop));
  ASSERT_TRUE(finish.has_value());
  EXPECT_EQ(finish->find("choices")->array()[0].find("finish_reason")->as_string(), "stop");
  const auto usage = ParseJson(writer.UsageChunk({.prompt_tokens = 1}, {.seed = 9}));
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->find("choices")->Dump(), "[]");
  EXPECT_EQ(usage->find("seed")->as_int64(), 9);
}

TEST(CompletionChunkWriter, ExtrasCloseAStreamWithoutUsage) {
  CompletionChunkWriter writer(Head(), false);
  const ResponseExtras extras{.seed = 4, .timings = Timings{}};
  const auto finish = ParseJson(writer.Finish(0, FinishReason::kLength, &extras));
  ASSERT_TRUE(finish.has_value());
  EXPECT_EQ(finish->find("usage"), nullptr);
  EXPECT_EQ(finish->find("seed")->as_int64(), 4);
  EXPECT_NE(finish->find("timings"), nullptr);
}

}  // namespace
}  // namespace infe::api
