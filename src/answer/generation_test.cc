#include "answer/generation.h"

#include <gtest/gtest.h>

#include "answer/test_support.h"
#include "chat/tool_format.h"

namespace infe::answer {
namespace {

using Words = std::vector<std::string>;

class GenerationTest : public ::testing::Test {
 protected:
  GenerationPlan Plan(uint32_t choices = 1) const {
    GenerationPlan plan;
    for (uint32_t i = 0; i < choices; ++i) {
      GenerationPlan::Choice& choice = plan.choices.emplace_back();
      choice.request.prompt = Bytes("hi");
      choice.request.sampling.choice = i;
    }
    return plan;
  }
  GenerationPlan ChatPlan(uint32_t calls_max = 0) const {
    GenerationPlan plan = Plan();
    ReadingRules& rules = plan.reading.emplace();
    rules.parser.tools = chat::HermesFormat();
    rules.parser.tool_names = {"f", "c"};
    rules.calls_max = calls_max;
    rules.custom_tools = {"c"};
    return plan;
  }
  Answered<std::shared_ptr<Running>> Start(GenerationPlan plan) {
    return Generation::Start({nullptr, engine_, model_}, std::move(plan), executor_, [this] {
      ++made_;
      return std::make_unique<Listener>(heard_);
    });
  }
  void Say(size_t choice, std::string_view text) {
    engine_.Say(choice, text);
    executor_->RunAll();
  }
  void End(size_t choice, engine::FinishReason reason, uint32_t tokens = 0, Error error = {}) {
    engine_.End(choice, reason, tokens, std::move(error));
    executor_->RunAll();
  }

  const ModelText model_ = TestModelText();
  FakeEngine engine_;
  const std::shared_ptr<ManualExecutor> executor_ = std::make_shared<ManualExecutor>();
  Heard heard_;
  int made_ = 0;
};

TEST_F(GenerationTest, TokensBecomeTextAndAnEnd) {
  ASSERT_TRUE(Start(Plan()));
  Say(0, "ab");
  End(0, engine::FinishReason::kStop, 3);
  EXPECT_EQ(heard_.words, (Words{"0:a", "0:b", "0.stop", "0done"}));
  EXPECT_EQ(heard_.tokens, 2u);
  EXPECT_EQ(heard_.steps, 1u);
  const Totals& totals = heard_.Last<Done>()->totals;
  EXPECT_EQ(totals.prompt_tokens, 2u);
  EXPECT_EQ(totals.completion_tokens, 3u);
  EXPECT_EQ(heard_.destroyed, 1u);
}

TEST_F(GenerationTest, HalfACharacterWaitsForItsRest) {
  ASSERT_TRUE(Start(Plan()));
  Say(0, "\xE2\x82");
  EXPECT_TRUE(heard_.words.empty());
  Say(0, "\xAC");
  EXPECT_EQ(heard_.words, Words{"0:\xE2\x82\xAC"});
}

TEST_F(GenerationTest, AStopTextEndsTheChoiceIsNotToldAndIsNamed) {
  GenerationPlan plan = Plan();
  plan.stops = {"xx", "END", "<turn>"};
  plan.stops_asked = 2;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "abENDcd");
  ASSERT_EQ(engine_.cancelled.size(), 1u);
  End(0, engine::FinishReason::kCancelled, 7);
  EXPECT_EQ(heard_.Joined(0), "ab");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->stop, "END");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->reason, StopReason::kStop);
  EXPECT_EQ(heard_.Last<Done>()->totals.completion_tokens, 5u);  // up to the stop text
}

TEST_F(GenerationTest, AStopTextOfTheTemplateIsNobodysStopString) {
  GenerationPlan plan = Plan();
  plan.stops = {"xx", "<turn>"};
  plan.stops_asked = 1;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "ab<turn>");
  End(0, engine::FinishReason::kCancelled, 8);
  EXPECT_EQ(heard_.Joined(0), "ab");
  EXPECT_FALSE(heard_.Last<ChoiceEnd>()->stop);
}

TEST_F(GenerationTest, ACallIsBegunGrownAndEnded) {
  ASSERT_TRUE(Start(ChatPlan()));
  Say(0, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>");
  End(0, engine::FinishReason::kStop, 60);
  ASSERT_GE(heard_.words.size(), 4u);
  EXPECT_EQ(heard_.words.front(), "0!f");
  std::string arguments;
  for (const Event& event : heard_.events)
    if (const auto* piece = std::get_if<CallArguments>(&event.body)) arguments += piece->text;
  EXPECT_EQ(arguments, "{\"x\": 1}");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->reason, StopReason::kCalls);
}

TEST_F(GenerationTest, ACustomToolsCallIsItsText) {
  ASSERT_TRUE(Start(ChatPlan()));
  Say(0, "<tool_call>\n{\"name\": \"c\", \"arguments\": {\"input\": \"a\\nb\"}}\n</tool_call>");
  End(0, engine::FinishReason::kStop, 60);
  EXPECT_EQ(heard_.words.front(), "0!custom c");
  std::string text;
  for (const Event& event : heard_.events)
    if (const auto* piece = std::get_if<CallArguments>(&event.body)) text += piece->text;
  EXPECT_EQ(text, "a\nb");
}

TEST_F(GenerationTest, AfterTheLastCallThatIsAllowedTheChoiceIsCut) {
  ASSERT_TRUE(Start(ChatPlan(1)));
  Say(0, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\nmore");
  EXPECT_EQ(engine_.cancelled.size(), 1u);
  End(0, engine::FinishReason::kCancelled, 70);
  EXPECT_EQ(heard_.Joined(0), "");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->reason, StopReason::kCalls);
}

TEST_F(GenerationTest, ReasoningIsToldApartAndCounted) {
  GenerationPlan plan = ChatPlan();
  plan.reading->parser.reasoning = chat::ReasoningMode::kOpen;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "hm</think>yes");
  End(0, engine::FinishReason::kStop, 14);
  EXPECT_EQ(heard_.Joined(0), "yes");
  EXPECT_GT(heard_.Last<Done>()->totals.reasoning_tokens, 0u);
}

TEST_F(GenerationTest, EveryTokenIsScoredOnceInOrder) {
  GenerationPlan plan = ChatPlan();
  plan.scores = true;
  ASSERT_TRUE(Start(std::move(plan)));
  const std::string text = "ok\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
  Say(0, text);
  End(0, engine::FinishReason::kStop, 60);
  std::string scored;
  int64_t offset = 0;
  for (const Event& event : heard_.events)
    for (const TokenScore& score : event.scores) {
      scored += score.token.bytes;
      EXPECT_EQ(score.text_offset, offset++);
    }
  EXPECT_EQ(scored, text);
}

TEST_F(GenerationTest, AnEchoComesFirstWithTheScoresOfThePrompt) {
  GenerationPlan plan = Plan();
  plan.scores = true;
  plan.choices[0].echo = "hi";
  plan.choices[0].scores_prompt = true;
  ASSERT_TRUE(Start(std::move(plan)));
  executor_->RunAll();
  EXPECT_TRUE(heard_.words.empty());  // until the prompt is scored
  engine::TokenEvent event;
  event.prompt_tokens = {{'h', 0, {}}, {'i', -2, {}}};
  engine_.requests[0].sink->OnEvent(event);
  Say(0, "!");
  End(0, engine::FinishReason::kLength, 1);
  EXPECT_EQ(heard_.words, (Words{"0^hi", "0:!", "0.length", "0done"}));
  const TokenScores& scores = heard_.events[0].scores;
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_FALSE(scores[0].has_logprob);
  EXPECT_TRUE(scores[1].has_logprob);
  EXPECT_EQ(heard_.events[1].scores[0].text_offset, 2);
}

TEST_F(GenerationTest, ChoicesInterleaveAndTheirPromptCountsOnce) {
  ASSERT_TRUE(Start(Plan(2)));
  Say(1, "b");
  Say(0, "a");
  End(1, engine::FinishReason::kStop, 2);
  EXPECT_EQ(heard_.Last<Done>(), nullptr);
  End(0, engine::FinishReason::kLength, 1);
  EXPECT_EQ(heard_.words, (Words{"1:b", "0:a", "1.stop", "0.length", "0done"}));
  EXPECT_EQ(heard_.Last<Done>()->totals.prompt_tokens, 2u);
  EXPECT_EQ(heard_.Last<Done>()->totals.completion_tokens, 3u);
}

TEST_F(GenerationTest, WhatTheEngineSaysAtOnceWaitsForTheConsumer) {
  ASSERT_TRUE(Start(Plan()));
  engine_.Say(0, "a");  // both are queued behind the consumer's arrival
  End(0, engine::FinishReason::kStop, 1);
  EXPECT_EQ(heard_.words, (Words{"0:a", "0.stop", "0done"}));
}

TEST_F(GenerationTest, WhereOneChoiceIsRefusedNoneRunsAndNoConsumerIsMade) {
  engine_.refuse_at = 1;
  const auto started = Start(Plan(2));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, AnswerError::Kind::kBusy);
  EXPECT_GT(started.error().retry_ms, 0);
  EXPECT_EQ(engine_.cancelled, std::vector<engine::RequestId>{engine_.requests[0].id});
  EXPECT_EQ(made_, 0);
  executor_->RunAll();
}

TEST_F(GenerationTest, AnEngineThatEndsItIsAFailureOfItsKind) {
  struct Case {
    engine::FinishReason reason;
    Error error;
    AnswerError::Kind kind;
  };
  for (const Case& c :
       {Case{engine::FinishReason::kDeadline, {}, AnswerError::Kind::kDeadline},
        Case{engine::FinishReason::kCancelled, {}, AnswerError::Kind::kStopping},
        Case{engine::FinishReason::kError,
             {ErrorCode::kResourceExhausted, "too deep", {}},
             AnswerError::Kind::kRefused},
        Case{engine::FinishReason::kError, Internal("oops"), AnswerError::Kind::kInternal}}) {
    engine_ = FakeEngine();
    heard_ = {};
    ASSERT_TRUE(Start(Plan(2)));
    End(0, c.reason, 0, c.error);
    ASSERT_NE(heard_.Last<Failed>(), nullptr);
    EXPECT_EQ(heard_.Last<Failed>()->error.kind, c.kind);
    EXPECT_EQ(engine_.cancelled.size(), 1u);  // the other choice
    Say(1, "late");
    EXPECT_EQ(heard_.words.size(), 1u);
  }
}

TEST_F(GenerationTest, AnAbandonedAnswerTellsNothingMore) {
  const auto started = Start(Plan());
  ASSERT_TRUE(started);
  Say(0, "a");
  (*started)->Abandon();
  EXPECT_EQ(engine_.cancelled.size(), 1u);
  EXPECT_EQ(heard_.destroyed, 1u);
  Say(0, "b");
  End(0, engine::FinishReason::kCancelled);
  (*started)->Fail(Stopping(1));
  executor_->RunAll();
  EXPECT_EQ(heard_.words, Words{"0:a"});
}

TEST_F(GenerationTest, AFailureFromOutsideEndsItOnce) {
  const auto started = Start(Plan());
  ASSERT_TRUE(started);
  executor_->RunAll();
  (*started)->Fail(Stopping(1));
  (*started)->Fail(Stopping(1));
  executor_->RunAll();
  EXPECT_EQ(heard_.words.size(), 1u);
  EXPECT_EQ(heard_.Last<Failed>()->error.kind, AnswerError::Kind::kStopping);
}

TEST_F(GenerationTest, APauseReachesTheChoicesThatRun) {
  const auto started = Start(Plan(2));
  ASSERT_TRUE(started);
  Say(0, "a");
  End(0, engine::FinishReason::kStop, 1);
  (*started)->SetPaused(true);
  (*started)->SetPaused(false);
  EXPECT_EQ(engine_.pauses, (std::vector<bool>{true, false}));
}

TEST_F(GenerationTest, StopTextsWatchContentOnly) {
  GenerationPlan plan = ChatPlan();
  plan.stops = {"Paris", "hm"};
  plan.stops_asked = 2;
  plan.reading->parser.reasoning = chat::ReasoningMode::kOpen;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "hm Paris</think>Well\n");
  Say(0, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>");
  EXPECT_TRUE(engine_.cancelled.empty());
  End(0, engine::FinishReason::kStop, 90);
  EXPECT_EQ(heard_.Joined(0), "Well");
  std::string arguments;
  for (const Event& event : heard_.events)
    if (const auto* piece = std::get_if<CallArguments>(&event.body)) arguments += piece->text;
  EXPECT_EQ(arguments, "{\"city\": \"Paris\"}");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->reason, StopReason::kCalls);
  EXPECT_FALSE(heard_.Last<ChoiceEnd>()->stop);
}

TEST_F(GenerationTest, AStopTextInContentEndsAChatHoweverItIsCut) {
  GenerationPlan plan = ChatPlan();
  plan.stops = {"END"};
  plan.stops_asked = 1;
  plan.scores = true;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "ab EN");
  Say(0, "D cd");
  ASSERT_EQ(engine_.cancelled.size(), 1u);
  End(0, engine::FinishReason::kCancelled, 9);
  EXPECT_EQ(heard_.Joined(0), "ab ");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->stop, "END");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->reason, StopReason::kStop);
  std::string scored;
  for (const Event& event : heard_.events)
    for (const TokenScore& score : event.scores) scored += score.token.bytes;
  EXPECT_EQ(scored, "ab ");  // what is not told is not scored
}

TEST_F(GenerationTest, TextThatOnlyLookedLikeAStopIsToldAtTheEndAndBeforeACall) {
  GenerationPlan plan = ChatPlan();
  plan.stops = {"w<", "zz"};
  plan.stops_asked = 2;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "now<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>");
  End(0, engine::FinishReason::kStop, 50);
  EXPECT_EQ(heard_.Joined(0), "now");
  heard_ = {};
  engine_ = FakeEngine();
  plan = Plan();
  plan.stops = {"zz"};
  plan.stops_asked = 1;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "az");
  End(0, engine::FinishReason::kStop, 3);
  EXPECT_EQ(heard_.Joined(0), "az");
}

TEST_F(GenerationTest, AStopTextIsKeptWhereItIsAskedFor) {
  GenerationPlan plan = Plan();
  plan.stops = {"END"};
  plan.stops_asked = 1;
  plan.stop_text = StopText::kKept;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "abENDcd");
  End(0, engine::FinishReason::kCancelled, 7);
  EXPECT_EQ(heard_.Joined(0), "abEND");
  EXPECT_EQ(heard_.Last<ChoiceEnd>()->stop, "END");
}

TEST_F(GenerationTest, AStopTokenEndsTheChoiceAndIsNoPartOfItUnlessItIsKept) {
  for (const StopText stop_text : {StopText::kLeftOut, StopText::kKept}) {
    heard_ = {};
    engine_ = FakeEngine();
    GenerationPlan plan = Plan();
    plan.stops = {"bxx"};
    plan.stops_asked = 1;
    plan.stop_tokens = {'!'};
    plan.stop_text = stop_text;
    ASSERT_TRUE(Start(std::move(plan)));
    Say(0, "ab!cd");
    ASSERT_EQ(engine_.cancelled.size(), 1u);
    End(0, engine::FinishReason::kCancelled, 5);
    EXPECT_EQ(heard_.Joined(0), stop_text == StopText::kKept ? "ab!" : "ab");
    EXPECT_EQ(heard_.Last<ChoiceEnd>()->stop_token, '!');
    EXPECT_EQ(heard_.Last<ChoiceEnd>()->reason, StopReason::kStop);
    EXPECT_EQ(heard_.Last<Done>()->totals.completion_tokens, 3u);
  }
}

TEST_F(GenerationTest, NoStopOfTheAskCountsBeforeItsLeastLength) {
  GenerationPlan plan = Plan();
  plan.stops = {"b"};
  plan.stops_asked = 1;
  plan.stop_tokens = {'!'};
  plan.tokens_min = 3;
  ASSERT_TRUE(Start(std::move(plan)));
  Say(0, "b!bab");
  End(0, engine::FinishReason::kCancelled, 5);
  EXPECT_EQ(heard_.Joined(0), "b!ba");
}

}  // namespace
}  // namespace infe::answer
