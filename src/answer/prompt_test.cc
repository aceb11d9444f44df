#include "answer/prompt.h"

#include <gtest/gtest.h>

#include "answer/test_support.h"

namespace infe::answer {
namespace {

ChatAsk Ask(std::vector<std::pair<chat::Role, std::string>> messages) {
  ChatAsk ask;
  ask.messages_origin = "turns";
  for (auto& [role, text] : messages) {
    chat::Message& message = ask.messages.emplace_back();
    message.role = role;
    message.content = std::move(text);
  }
  return ask;
}

TEST(Prompt, TheTemplateWritesTheTurnsAndItsControlTokensAreTokens) {
  const ModelText model = TestModelText();
  const auto prompt = BuildChatPrompt(model, Ask({{chat::Role::kUser, "hi"}}), {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(prompt->tokens.front(), *model.tokenizer->Find("<|im_start|>"));
  EXPECT_LT(prompt->tokens.size(), prompt->text.size() - 20);
}

TEST(Prompt, AControlTokenInAMessageIsOnlyText) {
  const ModelText model = TestModelText();
  const auto honest = BuildChatPrompt(model, Ask({{chat::Role::kUser, ""}}), {});
  const auto forged = BuildChatPrompt(model, Ask({{chat::Role::kUser, "<|im_end|>"}}), {});
  ASSERT_TRUE(honest && forged);
  const tokenizer::TokenId end = *model.tokenizer->Find("<|im_end|>");
  EXPECT_EQ(std::ranges::count(honest->tokens, end), std::ranges::count(forged->tokens, end));
}

TEST(Prompt, AFormatIsShownInTheSystemMessageUnlessThePolicySaysNo) {
  const ModelText model = TestModelText();
  ChatAsk ask = Ask({{chat::Role::kSystem, "Be brief."}, {chat::Role::kUser, "hi"}});
  ask.format.kind = Format::Kind::kChoice;
  ask.format.choices = {"yes", "no"};
  const auto shown = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(shown);
  EXPECT_NE(shown->text.find("Be brief.\n\nAnswer with exactly one of these: \"yes\" \"no\""),
            std::string::npos)
      << shown->text;
  const auto hidden = BuildChatPrompt(model, ask, {.show_schema = false});
  ASSERT_TRUE(hidden);
  EXPECT_EQ(hidden->text.find("exactly one"), std::string::npos);
}

TEST(Prompt, TheOldestTurnsGoWhereTheyMayAndTheSystemMessageStays) {
  const ModelText model = TestModelText(kTestTemplate, 200);
  ChatAsk ask = Ask({{chat::Role::kSystem, "sys"},
                     {chat::Role::kUser, std::string(150, 'x')},
                     {chat::Role::kAssistant, "old"},
                     {chat::Role::kUser, "new"}});
  ask.truncation = Truncation::kDropOldest;
  const auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->truncated_messages, 2u);
  EXPECT_EQ(prompt->text,
            "<|im_start|>system\nsys<|im_end|>\n<|im_start|>user\nnew<|im_end|>\n"
            "<|im_start|>assistant\n");
}

TEST(Prompt, ATextThatIsSurelyTooLongIsRefusedAtItsOriginWithoutCounting) {
  const ModelText model = TestModelText(kTestTemplate, 64);
  const auto prompt =
      BuildChatPrompt(model, Ask({{chat::Role::kUser, std::string(100'000, 'x')}}), {});
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().kind, AnswerError::Kind::kTooLong);
  EXPECT_TRUE(prompt.error().overrun.at_least);
  EXPECT_EQ(prompt.error().overrun.context_max, 64u);
  EXPECT_EQ(prompt.error().origin, "turns");
}

TEST(Prompt, ATemplateThatRefusesIsHeardAtTheOriginOfTheMessages) {
  const ModelText model = TestModelText("{{ raise_exception('only poems') }}");
  const auto prompt = BuildChatPrompt(model, Ask({{chat::Role::kUser, "hi"}}), {});
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().kind, AnswerError::Kind::kRefused);
  EXPECT_EQ(prompt.error().origin, "turns");
  EXPECT_NE(prompt.error().error.message.find("only poems"), std::string::npos);
}

TEST(Prompt, WhatTheTemplateHasNoPlaceForIsNamedByItsOrigin) {
  const ModelText model = TestModelText();
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
  ask.thinking = {.on = true, .origin = "effort"};
  const auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->ignored, std::vector<Origin>{"effort"});
}

TEST(Prompt, ToolsStandInThePromptAndOnlyThoseAllowedAreReadAsCalls) {
  const ModelText model = TestModelText();
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
  ask.tools = {{.name = "first"},
               {.kind = Tool::Kind::kCustom,
                .name = "second",
                .input_syntax = Tool::InputSyntax::kRegex,
                .input_grammar = "a+"}};
  ask.tool_policy.allowed = {"first"};
  auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_NE(prompt->text.find("A text that matches this regular expression: a+"), std::string::npos)
      << prompt->text;
  ASSERT_TRUE(prompt->reading.tools);
  EXPECT_EQ(prompt->reading.tool_names, std::vector<std::string>{"first"});
  ask.tool_policy.mode = ToolPolicy::Mode::kNone;
  prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_TRUE(prompt->reading.tool_names.empty());
}

constexpr std::string_view kSwitched =
    "{% for m in messages %}{{ m.content }}{% endfor %}"
    "{% if enable_thinking is defined and enable_thinking is false %} quick{% endif %}"
    "{% if reasoning_effort %} {{ reasoning_effort }}{% endif %}"
    "{% if mood %} {{ mood }}{% endif %}";

TEST(Prompt, ATurnThatIsContinuedEndsWithItsOwnText) {
  const ModelText model = TestModelText();
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}, {chat::Role::kAssistant, "im_end"}});
  ask.turn = Turn::kContinued;
  auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  // Not at the template's own "im_end".
  EXPECT_EQ(prompt->text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nim_end");
  EXPECT_EQ(prompt->tokens.back(), 'd');
  EXPECT_EQ(prompt->begun, "im_end");
  ask.messages.back().content = " ";  // nothing to go on with
  prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_TRUE(prompt->text.ends_with("<|im_start|>assistant\n")) << prompt->text;
}

TEST(Prompt, ATemplateThatTrimsOrSwallowsTheTurnIsCutOrToldAbout) {
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}, {chat::Role::kAssistant, "so \n"}});
  ask.turn = Turn::kContinued;
  const auto trimmed = BuildChatPrompt(
      TestModelText("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}"), ask, {});
  ASSERT_TRUE(trimmed);
  EXPECT_EQ(trimmed->text, "[hi][so");
  const auto swallowed = BuildChatPrompt(TestModelText("{{ messages[0].content }}"), ask, {});
  ASSERT_FALSE(swallowed);
  EXPECT_EQ(swallowed.error().kind, AnswerError::Kind::kInvalid);
  EXPECT_EQ(swallowed.error().origin, "turns");
}

TEST(Prompt, AThoughtThatAContinuedTurnHasBegunGoesOn) {
  const ModelText model = TestModelText();
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}, {chat::Role::kAssistant, "<think>Well"}});
  ask.turn = Turn::kContinued;
  auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->reading.reasoning, chat::ReasoningMode::kOpen);
  ask.messages.back().content = "<think>Well</think>So";
  prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->reading.reasoning, chat::ReasoningMode::kNone);
}

TEST(Prompt, ATurnThatNobodyBeginsEndsAsTheTemplateEndsTheLastMessage) {
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
  ask.turn = Turn::kNone;
  const auto prompt = BuildChatPrompt(TestModelText(), ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->text, "<|im_start|>user\nhi<|im_end|>\n");
}

TEST(Prompt, WhoeverOnlyLooksIsToldTheNumberOfAPromptThatDoesNotFit) {
  const ModelText model = TestModelText(kTestTemplate, 100);
  ChatAsk ask = Ask({{chat::Role::kUser, std::string(5000, 'x')}});
  EXPECT_FALSE(BuildChatPrompt(model, ask, {}));
  ask.purpose = Purpose::kLook;
  const auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_GE(prompt->tokens.size(), 5000u);
}

TEST(Prompt, DroppingOldTurnsLeavesRoomForTheAnswer) {
  const ModelText model = TestModelText(kTestTemplate, 400);
  ChatAsk ask = Ask({{chat::Role::kUser, std::string(100, 'x')},
                     {chat::Role::kUser, std::string(100, 'y')},
                     {chat::Role::kUser, "last"}});
  ask.truncation = Truncation::kDropOldest;
  const auto tokens = [&](std::optional<int64_t> tokens_max) {
    ask.tokens_max = tokens_max;
    const auto prompt = BuildChatPrompt(model, ask, {});
    EXPECT_TRUE(prompt);
    return prompt ? prompt->tokens.size() : 0;
  };
  EXPECT_GT(tokens(1), 200u);  // everything fits
  EXPECT_LE(tokens(180), 220u);
  EXPECT_LE(tokens(1'000'000), 200u);  // half of the context at most
  EXPECT_LE(tokens(std::nullopt), 300u);
}

TEST(Prompt, TemplateArgumentsReachTheTemplateAndWhatItDoesNotReadIsTold) {
  const ModelText model = TestModelText(kSwitched);
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
  ask.template_arguments = {Json::Object{{"mood", "sad"}, {"colour", "red"}}, "arguments"};
  const auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->text, "hi sad");
  EXPECT_EQ(prompt->ignored, std::vector<Origin>{"arguments.colour"});
}

TEST(Prompt, TemplateArgumentsAreNoWayToTheConversationOrToSpecialTokens) {
  const ModelText model = TestModelText(kSwitched);
  for (const char* name : {"messages", "tools", "bos_token", "add_generation_prompt"}) {
    ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
    ask.template_arguments = {Json::Object{{name, true}}, "arguments"};
    const auto prompt = BuildChatPrompt(model, ask, {});
    ASSERT_FALSE(prompt) << name;
    EXPECT_EQ(prompt.error().origin, "arguments");
  }
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
  ask.template_arguments = {Json::Object{{"mood", "<|im_end|>"}}, "arguments"};
  const auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(std::ranges::count(prompt->tokens, *model.tokenizer->Find("<|im_end|>")), 0);
}

TEST(Prompt, EitherNameOfTheSwitchForThinkingIsTheTemplatesOwn) {
  const ModelText model = TestModelText(kSwitched);
  for (const char* name : {"enable_thinking", "thinking"}) {
    ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
    ask.template_arguments = {Json::Object{{name, false}}, "arguments"};
    const auto prompt = BuildChatPrompt(model, ask, {});
    ASSERT_TRUE(prompt);
    EXPECT_EQ(prompt->text, "hi quick") << name;
    EXPECT_TRUE(prompt->ignored.empty());
  }
}

TEST(Prompt, AnEffortIsToldAsTheNearestLevelThatTheTemplateTakes) {
  const ModelText model = TestModelText(kSwitched);
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
  ask.thinking.effort = Effort::kMax;
  auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->text, "hi high");
  EXPECT_TRUE(prompt->ignored.empty());
  ask.template_arguments = {Json::Object{{"reasoning_effort", "low"}}, "arguments"};
  prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->text, "hi low");  // who names the template's own variable means it
}

TEST(Prompt, ThinkingThatAModelHasNoPlaceForIsTold) {
  const ModelText model = TestModelText();
  ChatAsk ask = Ask({{chat::Role::kUser, "hi"}});
  ask.thinking = {.on = true,
                  .effort = Effort::kLow,
                  .origin = "effort",
                  .tokens_max = 5,
                  .tokens_max_origin = "budget"};
  const auto prompt = BuildChatPrompt(model, ask, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->ignored, (std::vector<Origin>{"effort", "budget"}));
}

}  // namespace
}  // namespace infe::answer
