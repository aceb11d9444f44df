#include "answer/choice_reader.h"

#include <gtest/gtest.h>

#include "answer/test_support.h"
#include "chat/tool_format.h"

namespace infe::answer {
namespace {

constexpr std::string_view kTwoCalls =
    "Well.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n"
    "<tool_call>\n{\"name\": \"c\", \"arguments\": {\"input\": \"x\"}}\n</tool_call>";

ReadingRules Rules(uint32_t calls_max) {
  ReadingRules rules;
  rules.parser.tools = chat::HermesFormat();
  rules.parser.tool_names = {"f", "c"};
  rules.calls_max = calls_max;
  rules.custom_tools = {"c"};
  return rules;
}

// All events as words, pieces of one kind joined, read in pieces of so many bytes.
std::string Read(const ReadingRules& rules, std::string_view text, size_t piece) {
  ChoiceReader reader(rules);
  std::vector<EventBody> events;
  const auto add = [&](std::vector<EventBody> more) {
    for (EventBody& event : more) events.push_back(std::move(event));
  };
  for (size_t at = 0; at < text.size(); at += piece) add(reader.Feed(text.substr(at, piece)));
  add(reader.Finish());
  std::string words;
  char kind = 0;
  for (const EventBody& event : events) {
    const std::string word = Word({0, event, {}});
    words += word[1] == kind ? word.substr(2) : word.substr(1);
    kind = word[1];
  }
  return words;
}

TEST(ChoiceReader, AnyCutGivesTheSameEvents) {
  const std::string whole = Read(Rules(0), kTwoCalls, 1000);
  EXPECT_EQ(whole, ":Well.!f({\"a\": 1})!custom c(x)");
  for (size_t piece = 1; piece < 20; ++piece) EXPECT_EQ(Read(Rules(0), kTwoCalls, piece), whole);
}

TEST(ChoiceReader, NothingFollowsTheLastCallThatIsAllowed) {
  EXPECT_EQ(Read(Rules(1), kTwoCalls, 7), ":Well.!f({\"a\": 1})");
  ChoiceReader reader(Rules(1));
  EXPECT_FALSE(reader.complete());
  (void)reader.Feed(kTwoCalls);
  EXPECT_TRUE(reader.complete());
  EXPECT_TRUE(reader.has_calls());
  EXPECT_EQ(Read(Rules(2), kTwoCalls, 7), Read(Rules(0), kTwoCalls, 7));
}

TEST(ChoiceReader, ACallThatIsCutHasBegunAndDoesNotComplete) {
  ChoiceReader reader(Rules(1));
  (void)reader.Feed("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\"");
  EXPECT_TRUE(reader.has_calls());
  EXPECT_FALSE(reader.complete());
}

TEST(ChoiceReader, RulesTakeCustomToolsByTheirKind) {
  ChatAsk ask;
  ask.tools = {{.name = "f"}, {.kind = Tool::Kind::kCustom, .name = "c"}};
  ask.tool_policy.calls_max = 3;
  const ReadingRules rules = ReadingRulesOf(ask, {});
  EXPECT_EQ(rules.custom_tools, std::vector<std::string>{"c"});
  EXPECT_EQ(rules.calls_max, 3u);
}

}  // namespace
}  // namespace infe::answer
