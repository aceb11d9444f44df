#include "answer/template_names.h"

#include <gtest/gtest.h>

#include "answer/test_support.h"

namespace infe::answer {
namespace {

using Names = std::vector<std::string>;

TEST(TemplateNames, VariablesAreFoundAndMembersTextsAndProseAreNot) {
  EXPECT_EQ(TemplateNames("prose {{ a.b['c'] ~ \"d\\\"e\" }} more {% if f %}{# g #}"),
            (Names{"a", "f", "if"}));
  EXPECT_EQ(TemplateNames("{{ x"), Names{"x"});
  EXPECT_TRUE(TemplateNames("{").empty());
}

std::vector<Effort> Efforts(std::string_view source) {
  return TestModelText(source).efforts;
}

TEST(EffortsOf, AreTheUsualOnesAndThoseThatTheTemplateMentionsAndDoesNotRefuse) {
  EXPECT_TRUE(Efforts("{{ messages[0].content }}").empty());
  EXPECT_EQ(Efforts("{{ reasoning_effort }}{{ messages[0].content }}"),
            (std::vector{Effort::kLow, Effort::kMedium, Effort::kHigh}));
  EXPECT_EQ(Efforts("{% if reasoning_effort not in ['none', 'high'] %}"
                    "{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}"),
            (std::vector{Effort::kNone, Effort::kHigh}));
}

TEST(EffortsOf, TheNearestIsTakenOfTwoTheLower) {
  const std::vector<Effort> some{Effort::kNone, Effort::kLow, Effort::kHigh};
  EXPECT_EQ(Nearest(some, Effort::kMax), Effort::kHigh);
  EXPECT_EQ(Nearest(some, Effort::kMedium), Effort::kLow);
  EXPECT_EQ(Nearest(some, Effort::kMinimal), Effort::kNone);
  EXPECT_EQ(Nearest(some, Effort::kHigh), Effort::kHigh);
}

}  // namespace
}  // namespace infe::answer
