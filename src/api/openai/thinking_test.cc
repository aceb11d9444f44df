#include "api/openai/thinking.h"

#include <gtest/gtest.h>

#include "api/openai/chat_ask.h"
#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

ThinkingFields Parsed(std::string_view members) {
  return MustParse(ChatBody(members)).thinking;
}

TEST(Thinking, EverySpellingOfABudgetIsTheSameBudget) {
  for (const char* members :
       {R"("thinking_token_budget":9)", R"("thinking_budget":9)", R"("reasoning":{"max_tokens":9})",
        R"("thinking":{"type":"enabled","budget_tokens":9})",
        R"("thinking_budget":9,"reasoning":{"max_tokens":9})"}) {
    const ThinkingFields fields = Parsed(members);
    EXPECT_EQ(fields.tokens_max, 9) << members;
    EXPECT_FALSE(fields.tokens_max_param.empty());
  }
  EXPECT_EQ(Parsed(R"("thinking_token_budget":0)").tokens_max, 0);
  EXPECT_FALSE(Parsed(R"("thinking_token_budget":null)").tokens_max);
}

TEST(Thinking, EverySpellingOfTheSwitchIsTheSameSwitch) {
  for (const char* members : {R"("enable_thinking":false)", R"("thinking":{"type":"disabled"})",
                              R"("thinking":false)", R"("reasoning":{"enabled":false})"})
    EXPECT_EQ(Parsed(members).on, false) << members;
  EXPECT_EQ(Parsed(R"("thinking":{"type":"enabled"})").on, true);
  EXPECT_FALSE(Parsed(R"("thinking":{"type":"adaptive"})").on);
}

TEST(Thinking, AnEffortIsALevelAndASwitch) {
  const answer::ChatAsk ask = ToAsk(MustParse(ChatBody(R"("reasoning":{"effort":"none"})")));
  EXPECT_EQ(ask.thinking.on, false);
  EXPECT_EQ(ask.thinking.effort, answer::Effort::kNone);
  EXPECT_EQ(ask.thinking.origin, "reasoning.effort");
  EXPECT_EQ(ToAsk(MustParse(ChatBody(R"("reasoning_effort":"xhigh")"))).thinking.effort,
            answer::Effort::kXHigh);
}

TEST(Thinking, TheTemplatesVariablesComeAlong) {
  const answer::ChatAsk ask =
      ToAsk(MustParse(ChatBody(R"("chat_template_kwargs":{"enable_thinking":false,"a":[1]})")));
  EXPECT_EQ(ask.template_arguments.values.Dump(), R"({"enable_thinking":false,"a":[1]})");
  EXPECT_EQ(ask.template_arguments.origin, "chat_template_kwargs");
}

TEST(Thinking, ContradictionsAndOtherValuesAreRefusedByName) {
  struct Row {
    const char* members;
    const char* param;
    const char* code;
  };
  for (const Row& row : {
           Row{R"("thinking_budget":9,"thinking_token_budget":8)", "thinking_budget",
               "invalid_parameter_combination"},
           Row{R"("reasoning_effort":"low","reasoning":{"effort":"high"})", "reasoning.effort",
               "invalid_parameter_combination"},
           Row{R"("enable_thinking":true,"thinking":{"type":"disabled"})", "thinking.type",
               "invalid_parameter_combination"},
           Row{R"("thinking_token_budget":-1)", "thinking_token_budget", "integer_below_min_value"},
           Row{R"("enable_thinking":"yes")", "enable_thinking", "invalid_type"},
           Row{R"("reasoning":{"effort":"huge"})", "reasoning.effort", "invalid_value"},
           Row{R"("thinking":{"type":"on"})", "thinking.type", "invalid_value"},
           Row{R"("chat_template_kwargs":[])", "chat_template_kwargs", "invalid_type"},
       })
    ExpectRefused(ChatBody(row.members), row.param, row.code);
}

}  // namespace
}  // namespace infe::api
