#include "answer/prepared_text.h"

#include <gtest/gtest.h>

#include "answer/fill_in.h"
#include "answer/test_support.h"

namespace infe::answer {
namespace {

using Tokens = std::vector<engine::TokenId>;

// As a coder's: with the three tokens for filling in, and an ordinary word that looks like one.
ModelText Coder(std::initializer_list<std::string_view> names) {
  tokenizer::Vocab vocab = tokenizer::TinyByteLevelVocab();
  for (const std::string_view name : names)
    AddToken(vocab, std::string(name), tokenizer::TokenType::kControl);
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer =
      std::move(*tokenizer::Tokenizer::Create(std::move(vocab)));
  ModelText text = std::move(*MakeModelText({.name = "coder",
                                             .tokenizer = tokenizer,
                                             .chat_template = std::string(kTestTemplate),
                                             .bos_text = "",
                                             .eos_text = "<|im_end|>",
                                             .end_tokens = {*tokenizer->eos()}}));
  text.context_max = 4096;
  return text;
}

class PreparedTextTest : public ::testing::Test {
 protected:
  // What the engine is asked, one prompt and one choice.
  Answered<Tokens> PromptOf(const ModelText& model, TextAsk ask) {
    ask.tokens_max = 4;
    ask.prompts_origin = "prompt";
    ask.suffix_origin = "suffix";
    auto prepared = PrepareText({nullptr, engine_, model}, std::move(ask), {});
    if (!prepared) return std::move(prepared).error();
    const auto started =
        (*prepared)->Start(executor_, [this] { return std::make_unique<Listener>(heard_); });
    if (!started) return started.error();
    return engine_.requests.back().prompt;
  }

  FakeEngine engine_;
  const std::shared_ptr<ManualExecutor> executor_ = std::make_shared<ManualExecutor>();
  Heard heard_;
};

TEST_F(PreparedTextTest, SpecialTokensInATextAreTokens) {
  const ModelText model = TestModelText();
  const auto tokens = PromptOf(model, {.prompts = {"a<|im_start|>b"}});
  ASSERT_TRUE(tokens);
  EXPECT_EQ(*tokens, (Tokens{'a', *model.tokenizer->Find("<|im_start|>"), 'b'}));
}

TEST_F(PreparedTextTest, AnEchoIsTheTextAsItWasSent) {
  const ModelText model = TestModelText();
  ASSERT_TRUE(PromptOf(model, {.prompts = {"a<|im_start|>b"}, .echo = true}));
  executor_->RunAll();
  EXPECT_EQ(heard_.words, std::vector<std::string>{"0^a<|im_start|>b"});
}

TEST_F(PreparedTextTest, ASuffixMakesAPromptOfThreeMarksAndTwoTexts) {
  const ModelText model = Coder({"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"});
  ASSERT_TRUE(model.fill_in);
  const auto tokens = PromptOf(model, {.prompts = {"x"}, .suffix = "y<|im_end|>"});
  ASSERT_TRUE(tokens);
  Tokens expected{model.fill_in->prefix, 'x', model.fill_in->suffix};
  for (const engine::TokenId id : Bytes("y<|im_end|>")) expected.push_back(id);
  expected.push_back(*model.fill_in->middle);
  EXPECT_EQ(*tokens, expected);  // in the texts no mark is read
}

TEST_F(PreparedTextTest, AModelWithoutAThirdMarkReadsTheSuffixFirst) {
  const ModelText model = Coder({"[PREFIX]", "[SUFFIX]"});
  ASSERT_TRUE(model.fill_in);
  const auto tokens = PromptOf(model, {.prompts = {"x"}, .suffix = "y"});
  ASSERT_TRUE(tokens);
  EXPECT_EQ(*tokens, (Tokens{model.fill_in->suffix, 'y', model.fill_in->prefix, 'x'}));
}

TEST_F(PreparedTextTest, ASuffixIsRefusedWhereItMeansNothing) {
  auto refused = PromptOf(TestModelText(), {.prompts = {"x"}, .suffix = "y"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().origin, "suffix");
  EXPECT_EQ(refused.error().kind, AnswerError::Kind::kInvalid);
  const ModelText coder = Coder({"<fim_prefix>", "<fim_suffix>", "<fim_middle>"});
  refused = PromptOf(coder, {.prompts = {std::vector<int64_t>{1, 2}}, .suffix = "y"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().origin, "suffix");
}

TEST_F(PreparedTextTest, TheFilesOwnKeysNameTheMarks) {
  const ModelText model = TestModelText();
  EXPECT_FALSE(FindFillIn(*model.tokenizer, {}));
  const auto found = FindFillIn(*model.tokenizer, {.prefix = 3, .suffix = 4, .middle = 5});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->prefix, 3u);
  EXPECT_EQ(found->middle, 5u);
  EXPECT_FALSE(FindFillIn(*model.tokenizer, {.prefix = 1u << 30, .suffix = 4}));
}

TEST_F(PreparedTextTest, StopTokensAndTheLeastLengthReachTheEngine) {
  const ModelText model = TestModelText();
  TextAsk ask{.prompts = {"x"}};
  ask.sampling.bounds = {.min = 3, .stops = {65}, .stops_origin = "stop_token_ids"};
  ASSERT_TRUE(PromptOf(model, ask));
  EXPECT_EQ(engine_.requests.back().min_tokens, 3u);
  EXPECT_EQ(engine_.requests.back().late_tokens, Tokens{65});
  ask.sampling.bounds.stops = {1 << 30};
  const auto refused = PromptOf(model, ask);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().origin, "stop_token_ids");
}

}  // namespace
}  // namespace infe::answer
