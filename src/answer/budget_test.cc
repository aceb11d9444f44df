#include "answer/budget.h"

#include <gtest/gtest.h>

namespace infe::answer {
namespace {

std::optional<int64_t> LimitOf(const ChatAsk& ask, const AnswerPolicy& policy = {}) {
  return UnaskedEndOf(ask, Constrained::kNo, policy).tokens_max;
}

TEST(UnaskedEnd, WhatIsAskedForIsTheLimitHoweverLongItIs) {
  ChatAsk ask;
  ask.tokens_max = 100'000;
  const UnaskedEnd free = UnaskedEndOf(ask, Constrained::kNo, {.answer_tokens_max = 10});
  const UnaskedEnd json = UnaskedEndOf(ask, Constrained::kYes, {.answer_tokens_max = 10});
  EXPECT_EQ(free.tokens_max, 100'000);
  EXPECT_EQ(json.tokens_max, 100'000);
  EXPECT_EQ(json.close_within, 0u);
}

TEST(UnaskedEnd, AnAnswerWithoutALimitHasThePolicys) {
  EXPECT_EQ(LimitOf({}), 8192);
  EXPECT_EQ(LimitOf({}, {.answer_tokens_max = 10}), 10);
  EXPECT_EQ(LimitOf({}, {.answer_tokens_max = 0}), std::nullopt);
}

TEST(UnaskedEnd, TheLimitLeavesRoomForWhatTheAskWantsAtLeast) {
  ChatAsk ask;
  ask.sampling.bounds.min = 20'000;
  EXPECT_EQ(LimitOf(ask), 20'000);
  ask.sampling.bounds.min = 5;
  ask.thinking.tokens_max = 30'000;
  EXPECT_EQ(LimitOf(ask), 38'192);
  ask.thinking.tokens_max = INT64_MAX;
  EXPECT_EQ(LimitOf(ask), 8192 + int64_t{UINT32_MAX});
}

TEST(UnaskedEnd, AFormatIsClosedBeforeAndTextWithCallsIsNot) {
  ChatAsk text;
  const UnaskedEnd calls = UnaskedEndOf(text, Constrained::kYes, {});
  EXPECT_EQ(calls.tokens_max, 8192);
  EXPECT_EQ(calls.close_within, 1024u);
  EXPECT_EQ(calls.wind_down_after, 768u);

  ChatAsk json;
  json.format.kind = Format::Kind::kJsonObject;
  EXPECT_EQ(UnaskedEndOf(json, Constrained::kYes, {}).tokens_max, 1025);
  EXPECT_EQ(UnaskedEndOf(json, Constrained::kYes, {.json_tokens_max = 0}).tokens_max, 8192);
}

}  // namespace
}  // namespace infe::answer
