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

// Each with a value that would change the answer, and with the one that changes nothing.
TEST(PeerFields, SamplersAndSearchesThatInfeLacksAreRefusedUnlessTheyAreOff) {
  struct Row {
    const char* field;
    const char* means;
    const char* neutral;
  };
  for (const Row& row : {
           Row{"use_beam_search", "true", "false"},
           Row{"num_beams", "4", "1"},
           Row{"do_sample", "false", "true"},
           Row{"mirostat", "2", "0"},
           Row{"tfs_z", "0.9", "1.0"},
           Row{"typical_p", "0.5", "1"},
           Row{"top_a", "0.2", "0"},
           Row{"top_n_sigma", "1.5", "-1"},
           Row{"dynatemp_range", "1", "0.0"},
           Row{"xtc_probability", "0.5", "0"},
           Row{"dry_multiplier", "0.8", "0"},
           Row{"no_repeat_ngram_size", "3", "0"},
           Row{"options", R"({"num_ctx":5})", "{}"},
           Row{"documents", R"([{"text":"x"}])", "[]"},
           Row{"truncate_prompt_tokens", "3", "-1"},
           Row{"format", R"("json")", R"("")"},
           Row{"format", R"({"type":"object"})", "{}"},
           Row{"stop_sequences", R"(["x"])", "[]"},
           Row{"stop_regex", R"("x")", R"("")"},
           Row{"skip_special_tokens", "false", "true"},
           Row{"n_probs", "3", "0"},
           Row{"best_of", "2", "1"},
           Row{"echo", "true", "false"},
           // Of another kind than it should be: it means something, whatever it is.
           Row{"mirostat", R"("on")", "null"},
           Row{"do_sample", "1", "null"},
       }) {
    SCOPED_TRACE(row.field);
    ExpectRefused(ChatBody(fmt::format("\"{}\":{}", row.field, row.means)), row.field,
                  "unsupported_value");
    EXPECT_TRUE(
        MustParse(ChatBody(fmt::format("\"{}\":{}", row.field, row.neutral))).ignored.empty());
  }
  EXPECT_EQ(MustParse(ChatBody(R"("n":2,"best_of":2)")).n, 2);
  ExpectRefused(ChatBody(R"("suffix":"x")"), "suffix", "unsupported_parameter");
  // What belongs to a sampler that is off changes nothing.
  EXPECT_EQ(
      MustParse(ChatBody(R"("mirostat":0,"mirostat_tau":5,"dry_base":1.75)")).ignored.Header(),
      "mirostat_tau, dry_base");
}

TEST(PeerFields, TheSeedHasTwoNames) {
  EXPECT_EQ(AskOf(R"("random_seed":5)").sampling.seed, AskOf(R"("seed":5)").sampling.seed);
  EXPECT_NE(AskOf(R"("random_seed":5)").sampling.seed, AskOf(R"("seed":6)").sampling.seed);
  ExpectRefused(ChatBody(R"("random_seed":5,"seed":6)"), "random_seed",
                "invalid_parameter_combination");
  ExpectRefused(ChatBody(R"("random_seed":"x")"), "random_seed", "invalid_type");
}

TEST(PeerFields, MoreStopTextsAreTheOperatorsToAllow) {
  const std::string five = ChatBody(R"("stop":["a","b","c","d","e"])");
  ExpectRefused(five, "stop", "array_above_max_length");
  EXPECT_EQ(MustParse(five, {.stop_max = 5}).sampling.stop.size(), 5u);
}

}  // namespace
}  // namespace infe::api
