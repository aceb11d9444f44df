#include "answer/thinking_guide.h"

#include <gtest/gtest.h>

#include "answer/test_support.h"

namespace infe::answer {
namespace {

constexpr std::string_view kThinker = R"({%- for m in messages %}[{{ m.role }}]
{%- if m.reasoning_content %}<think>{{ m.reasoning_content }} </think>. {% endif -%}
{{ m.content }}{% endfor %}{% if add_generation_prompt %}[a]<think>{% endif %})";

chat::OutputParserOptions Reading(chat::ReasoningMode mode) {
  chat::OutputParserOptions reading;
  reading.reasoning = mode;
  return reading;
}

// What comes of a model that would say `text`, byte by byte.
std::string Guided(const ModelText& model, chat::ReasoningMode mode, uint64_t tokens_max,
                   std::string_view text) {
  ThinkingGuide guide(model, Reading(mode), 'x', tokens_max);
  std::string said;
  for (size_t i = 0; i < text.size() || guide.Next();) {
    const auto next = guide.Next();
    const tokenizer::TokenId token = next ? *next : static_cast<unsigned char>(text[i]);
    if (!next) ++i;
    guide.Take(token);
    said += model.tokenizer->TokenText(token).substr(0, 20);
    EXPECT_LT(said.size(), 500u);
  }
  return said;
}

using Mode = chat::ReasoningMode;

TEST(ThinkingGuide, AThoughtEndsAtItsLimitAsTheTemplateSpellsIt) {
  const ModelText model = TestModelText(kThinker);
  EXPECT_EQ(ThoughtEnd(model, {}), " </think>. ");
  EXPECT_EQ(Guided(model, Mode::kOpen, 3, "abcdef"), "abc </think>. def");
  EXPECT_EQ(Guided(model, Mode::kOpen, 0, "abc"), " </think>. abc");
}

TEST(ThinkingGuide, WhereTheTemplateWritesNoThoughtsTheTagIsSpelledInTheUsualWay) {
  EXPECT_EQ(ThoughtEnd(TestModelText(), {}), "\n</think>\n\n");
}

TEST(ThinkingGuide, AThoughtThatEndsByItselfIsLeftAlone) {
  const ModelText model = TestModelText(kThinker);
  EXPECT_EQ(Guided(model, Mode::kOpen, 12, "ab</think>cdefghijkl"), "ab</think>cdefghijkl");
  EXPECT_EQ(Guided(model, Mode::kOpen, 500, "abcdef"), "abcdef");
}

TEST(ThinkingGuide, TokensCountFromTheOpeningTagAndAnAnswerWithoutOneIsFree) {
  const ModelText model = TestModelText(kThinker);
  EXPECT_EQ(Guided(model, Mode::kOptional, 2, "\n<think>abcd"), "\n<think>ab </think>. cd");
  EXPECT_EQ(Guided(model, Mode::kOptional, 2, "<thin abcd"), "<thin abcd");
  EXPECT_EQ(Guided(model, Mode::kOptional, 0, "<think>ab"), "<think> </think>. ab");
}

TEST(ThinkingGuide, ItNeverEndsInsideACharacterOrInsideTheTag) {
  const ModelText model = TestModelText(kThinker);
  ThinkingGuide guide(model, Reading(Mode::kOpen), 'x', 1);
  guide.Take(0xC3);  // half of e acute
  EXPECT_FALSE(guide.Next());
  guide.Take(0xA9);
  EXPECT_TRUE(guide.Next());
  EXPECT_EQ(Guided(model, Mode::kOpen, 4, "abc</think>de"), "abc</think>de");
  EXPECT_EQ(Guided(model, Mode::kOpen, 4, "abc</thorn>de"), "abc</tho </think>. rn>de");
}

TEST(ThinkingGuide, WhereAnotherTokenWasTakenInsteadTheThoughtGoesOn) {
  const ModelText model = TestModelText(kThinker);
  ThinkingGuide guide(model, Reading(Mode::kOpen), 'x', 0);
  ASSERT_TRUE(guide.Next());
  guide.Take('z');
  EXPECT_FALSE(guide.Next());
}

}  // namespace
}  // namespace infe::answer
