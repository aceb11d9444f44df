#include "answer/stop_matcher.h"

#include <gtest/gtest.h>

namespace infe::answer {
namespace {

// The plain version: byte by byte, until some stop string ends here.
std::string Reference(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t cut = std::string::npos;
    for (const std::string& stop : stops)
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0)
        cut = std::min(cut, end - stop.size());
    if (cut != std::string::npos) return text.substr(0, cut);
  }
  return text;
}

TEST(StopMatcher, AnyWayOfCuttingTheTextGivesTheSame) {
  const std::vector<std::vector<std::string>> stop_sets = {{"END"},    {"aab", "ab"},  {"\n\n"},
                                                           {"abcabd"}, {"abcd", "bc"}, {}};
  const std::vector<std::string> texts = {"hello END there", "aaab", "abcabcabd!", "xabcd",
                                          "x\n\ny",          "EN",   "EEND",       "ababab"};
  for (const auto& stops : stop_sets) {
    for (const std::string& text : texts) {
      for (size_t step = 1; step <= text.size(); ++step) {
        StopMatcher matcher(stops);
        std::string shown;
        for (size_t i = 0; i < text.size(); i += step) shown += matcher.Feed(text.substr(i, step));
        shown += matcher.Flush();
        EXPECT_EQ(shown, Reference(text, stops)) << text << " by " << step;
      }
    }
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStop) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.Feed("go ST"), "go ");
  EXPECT_EQ(matcher.Feed("AR"), "STAR");
  EXPECT_FALSE(matcher.holds());
  EXPECT_EQ(matcher.Feed("S"), "");
  EXPECT_EQ(matcher.Flush(), "S");
}

}  // namespace
}  // namespace infe::answer
