#include "cli/conversation.h"

#include <gtest/gtest.h>

#include "answer/fake_backend.h"

namespace infe::cli {
namespace {

using answer::FakeScript;

class Reader : public AnswerReader {
 public:
  void OnText(std::string_view text) override { text_ += text; }
  void OnReasoning(std::string_view text) override { thoughts_ += text; }
  std::string text_, thoughts_;
};

std::shared_ptr<server::ServedModel> Served(const std::shared_ptr<answer::FakeBackend>& backend) {
  return std::make_shared<server::ServedModel>(backend, server::ServedModel::Origin{},
                                               server::QueueGate::Limits{8, 1000}, 0);
}

class ConversationTest : public testing::Test {
 protected:
  static std::shared_ptr<answer::FakeBackend> Fake(std::string name) {
    return std::make_shared<answer::FakeBackend>(
        answer::ModelFacts{.name = std::move(name), .context_max = 1000});
  }
  static FakeScript Saying(std::string text) {
    FakeScript script;
    script.events = {{0, answer::Reasoning{"hm "}, {}},
                     {0, answer::Text{std::move(text)}, {}},
                     {0, answer::ChoiceEnd{}, {}},
                     {0, answer::Done{{.completion_tokens = 2}}, {}}};
    return script;
  }
  // "user: a|assistant: b"
  std::string Messages() const {
    std::string said;
    for (const chat::Message& message : backend_->chat_ask().messages)
      said += (said.empty() ? "" : "|") + std::string(chat::Name(message.role)) + ": " +
              message.content;
    return said;
  }

  std::shared_ptr<answer::FakeBackend> backend_ = Fake("one");
  Conversation conversation_{Served(backend_), "Be brief."};
  Reader reader_;
};

TEST_F(ConversationTest, AnAnswerIsReadAsItComesAndStays) {
  backend_->Expect(Saying("Salty."));
  const auto spoken = conversation_.Ask("The sea?", reader_);
  ASSERT_TRUE(spoken);
  EXPECT_EQ(spoken->text, "Salty.");
  EXPECT_EQ(spoken->totals->completion_tokens, 2u);
  EXPECT_EQ(reader_.text_, "Salty.");
  EXPECT_EQ(reader_.thoughts_, "hm ");
  backend_->Expect(Saying("Dry."));
  ASSERT_TRUE(conversation_.Ask("The land?", reader_));
  EXPECT_EQ(Messages(), "system: Be brief.|user: The sea?|assistant: Salty.|user: The land?");
}

TEST_F(ConversationTest, WhatIsRefusedWasNotAsked) {
  FakeScript refused;
  refused.prepare_error = answer::InvalidAt("messages", "no");
  backend_->Expect(refused);
  EXPECT_FALSE(conversation_.Ask("one", reader_));
  FakeScript failed;
  failed.events = {{0, answer::Text{"half"}, {}},
                   {0, answer::Failed{answer::InvalidAt("", "broke off")}, {}}};
  backend_->Expect(failed);
  const auto spoken = conversation_.Ask("two", reader_);
  ASSERT_FALSE(spoken);
  EXPECT_EQ(spoken.error().error.message, "broke off");
  backend_->Expect(Saying("yes"));
  ASSERT_TRUE(conversation_.Ask("three", reader_));
  EXPECT_EQ(Messages(), "system: Be brief.|user: three");
}

TEST_F(ConversationTest, TheLastQuestionIsTakenBackWithItsAnswer) {
  EXPECT_FALSE(conversation_.TakeBack());
  for (const char* question : {"one", "two"}) {
    backend_->Expect(Saying("yes"));
    ASSERT_TRUE(conversation_.Ask(question, reader_));
  }
  EXPECT_EQ(conversation_.TakeBack(), "two");
  EXPECT_EQ(conversation_.TakeBack(), "one");
  EXPECT_FALSE(conversation_.TakeBack());
  // The system message is nobody's question.
  EXPECT_EQ(conversation_.AsRequest().Dump(),
            R"({"model":"one","messages":[{"role":"system","content":"Be brief."}]})");
}

TEST_F(ConversationTest, ARequestSaysHowAnswersAreMade) {
  EXPECT_TRUE(conversation_.Set("temperature", ".5"));
  EXPECT_TRUE(conversation_.Set("seed", "9007199254740991"));
  conversation_.SetSystem("");
  conversation_.SetSchema(Json::Object{{"type", "object"}});
  EXPECT_EQ(conversation_.AsRequest().Dump(),
            R"({"model":"one","messages":[],"temperature":0.5,"seed":9007199254740991,)"
            R"("response_format":{"type":"json_schema","json_schema":)"
            R"({"name":"answer","schema":{"type":"object"}}}})");
}

TEST_F(ConversationTest, SettingsAreOfTheNextAskAndCanBeTakenBack) {
  EXPECT_TRUE(conversation_.Set("temperature", "0.5"));
  EXPECT_TRUE(conversation_.Set("temperature", "0.25"));
  EXPECT_TRUE(conversation_.Set("top_k", "40"));
  EXPECT_TRUE(conversation_.Set("max_tokens", "7"));
  EXPECT_EQ(conversation_.Settings(),
            (std::vector<std::string>{"temperature 0.25", "top_k 40", "max_tokens 7"}));
  EXPECT_TRUE(conversation_.Set("top_k", "default"));
  for (const auto& [name, value] : {std::pair<const char*, const char*>{"temperature", "2.1"},
                                    {"temperature", "nan"},
                                    {"temperature", "1x"},
                                    {"temperature", ""},
                                    {"top_k", "1.5"},
                                    {"seed", "-1"},
                                    {"seed", "9007199254740992"},
                                    {"max_tokens", "0"},
                                    {"nonsense", "1"}})
    EXPECT_FALSE(conversation_.Set(name, value)) << name << ' ' << value;
  backend_->Expect(Saying("yes"));
  ASSERT_TRUE(conversation_.Ask("one", reader_));
  const answer::ChatAsk ask = backend_->chat_ask();
  EXPECT_EQ(ask.sampling.temperature, 0.25);
  EXPECT_FALSE(ask.sampling.top_k);
  EXPECT_EQ(ask.tokens_max, 7);
  EXPECT_EQ(Conversation::SettingNames().size(), 7u);
}

TEST_F(ConversationTest, AnotherModelHasTheWholeConversation) {
  backend_->Expect(Saying("Salty."));
  ASSERT_TRUE(conversation_.Ask("The sea?", reader_));
  backend_ = Fake("other");
  conversation_.SetModel(Served(backend_));
  EXPECT_EQ(conversation_.model_name(), "other");
  backend_->Expect(Saying("Dry."));
  ASSERT_TRUE(conversation_.Ask("The land?", reader_));
  EXPECT_EQ(Messages(), "system: Be brief.|user: The sea?|assistant: Salty.|user: The land?");
}

TEST_F(ConversationTest, ASystemMessageBeginsAnewAndAResetKeepsIt) {
  backend_->Expect(Saying("yes"));
  ASSERT_TRUE(conversation_.Ask("one", reader_));
  conversation_.SetSystem("Be long.");
  backend_->Expect(Saying("yes"));
  ASSERT_TRUE(conversation_.Ask("two", reader_));
  EXPECT_EQ(Messages(), "system: Be long.|user: two");
  conversation_.Reset();
  backend_->Expect(Saying("yes"));
  ASSERT_TRUE(conversation_.Ask("three", reader_));
  EXPECT_EQ(Messages(), "system: Be long.|user: three");
  conversation_.SetSystem("");
  backend_->Expect(Saying("yes"));
  ASSERT_TRUE(conversation_.Ask("four", reader_));
  EXPECT_EQ(Messages(), "user: four");
}

}  // namespace
}  // namespace infe::cli
