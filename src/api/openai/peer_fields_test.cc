// Fields that clients of other servers send: each has its effect, or is refused by name.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/openai/ask_parts.h"
#include "api/openai/chat_ask.h"
#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

answer::ChatAsk AskOf(std::string_view members) {
  return ToAsk(MustParse(ChatBody(members)));
}

TEST(PeerFields, EndsByTokensAndTheirTextReachTheAsk) {
  const answer::ChatAsk ask = AskOf(
      R"("min_tokens":3,"stop_token_ids":[7,9],"include_stop_str_in_output":true,"stop":"x")");
  EXPECT_EQ(ask.sampling.bounds.min, 3);
  EXPECT_EQ(ask.sampling.bounds.stops, (std::vector<int64_t>{7, 9}));
  EXPECT_EQ(ask.sampling.bounds.stops_origin, "stop_token_ids");
  EXPECT_EQ(ask.sampling.stop_text, answer::StopText::kKept);
  EXPECT_EQ(AskOf("\"n\":1").sampling.stop_text, answer::StopText::kLeftOut);
}

TEST(PeerFields, EveryNameOfTheLongestAnswerIsThatBound) {
  for (const char* name : {"max_tokens", "max_completion_tokens", "max_new_tokens",
                           "max_output_tokens", "n_predict"}) {
    EXPECT_EQ(AskOf(fmt::format("\"{}\":9", name)).tokens_max, 9) << name;
    ExpectRefused(ChatBody(fmt::format("\"{}\":0", name)), name, "integer_below_min_value");
  }
  EXPECT_FALSE(AskOf(R"("n_predict":-1)").tokens_max);
  ExpectRefused(ChatBody(R"("n_predict":-2)"), "n_predict", "integer_below_min_value");
  ExpectRefused(ChatBody(R"("max_new_tokens":1,"n_predict":2)"), "max_new_tokens",
                "invalid_parameter_combination");
}

TEST(PeerFields, TheLastTurnIsContinuedWhereItIsAskedForOrMarked) {
  const std::string turns = R"({"role":"user","content":"a"},{"role":"assistant","content":"b")";
  const auto turn = [&](std::string_view in_message, std::string_view members) {
    return ToAsk(MustParse(ChatBodyOf(turns + std::string(in_message) + "}", members))).turn;
  };
  using answer::Turn;
  EXPECT_EQ(turn("", ""), Turn::kNext);
  EXPECT_EQ(turn("", R"("continue_final_message":true,"add_generation_prompt":false)"),
            Turn::kContinued);
  EXPECT_EQ(turn("", R"("continue_final_message":true)"), Turn::kContinued);
  EXPECT_EQ(turn(R"(,"prefix":true)", ""), Turn::kContinued);
  EXPECT_EQ(turn(R"(,"prefix":true)", R"("continue_final_message":false)"), Turn::kNext);
  EXPECT_EQ(turn("", R"("add_generation_prompt":false)"), Turn::kNone);
  ExpectRefused(
      ChatBodyOf(turns + "}", R"("continue_final_message":true,"add_generation_prompt":true)"),
      "continue_final_message", "invalid_parameter_combination");
  ExpectRefused(ChatBody(R"("continue_final_message":true)"), "continue_final_message", "-");
}

TEST(PeerFields, ThePenaltyHasTwoNames) {
  EXPECT_EQ(AskOf(R"("repeat_penalty":1.3)").sampling.repetition_penalty, 1.3);
  EXPECT_EQ(AskOf(R"("repeat_penalty":1.3,"repetition_penalty":1.3)").sampling.repetition_penalty,
            1.3);
  ExpectRefused(ChatBody(R"("repeat_penalty":1.3,"repetition_penalty":1.2)"), "repeat_penalty",
                "invalid_parameter_combination");
  ExpectRefused(ChatBody(R"("repeat_penalty":0)"), "repeat_penalty", "decimal_below_min_value");
}

TEST(PeerFields, ASaltKeepsPrefixesApart) {
  const ChatCompletionRequest salted = MustParse(ChatBody(R"("cache_salt":"s")"));
  EXPECT_TRUE(salted.ignored.empty());
  EXPECT_EQ(CacheKey("k", ""), "k");
  EXPECT_NE(CacheKey("k", salted.cache_salt), CacheKey("k", "t"));
  EXPECT_NE(CacheKey("ab", "c"), CacheKey("a", "bc"));
}

TEST(PeerFields, WhatInfeCannotDoIsRefusedByNameUnlessItAsksForNothing) {
  struct Row {
    const char* members;
    const char* param;
    const char* code;
  };
  for (const Row& row : {
           Row{R"("prompt_logprobs":0)", "prompt_logprobs", "unsupported_parameter"},
           Row{R"("return_token_ids":true)", "return_token_ids", "unsupported_value"},
           Row{R"("chat_template":"x")", "chat_template", "unsupported_parameter"},
           Row{R"("stream":true,"stream_options":{"continuous_usage_stats":true})",
               "stream_options.continuous_usage_stats", "unsupported_value"},
           Row{R"("min_tokens":-1)", "min_tokens", "integer_below_min_value"},
           Row{R"("min_tokens":5,"max_tokens":4)", "min_tokens", "invalid_parameter_combination"},
           Row{R"("stop_token_ids":[-1])", "stop_token_ids[0]", "integer_below_min_value"},
           Row{R"("stop_token_ids":"x")", "stop_token_ids", "invalid_type"},
           Row{R"("add_generation_prompt":1)", "add_generation_prompt", "invalid_type"},
           Row{R"("cache_salt":1)", "cache_salt", "invalid_type"},
       })
    ExpectRefused(ChatBody(row.members), row.param, row.code);
  EXPECT_TRUE(
      MustParse(ChatBody(R"("prompt_logprobs":null,"return_token_ids":false,"min_tokens":0)"))
          .ignored.empty());
}

TEST(PeerFields, MoreStopTextsAreTheOperatorsToAllow) {
  const std::string five = ChatBody(R"("stop":["a","b","c","d","e"])");
  ExpectRefused(five, "stop", "array_above_max_length");
  EXPECT_EQ(MustParse(five, {.stop_max = 5}).sampling.stop.size(), 5u);
}

}  // namespace
}  // namespace infe::api
