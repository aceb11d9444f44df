#include "refusal/duration.h"

#include <initializer_list>
#include <utility>

#include <gtest/gtest.h>

namespace infe::refusal {
namespace {

TEST(FormatDuration, MatchesOpenAisSpelling) {
  for (const auto& [ms, text] :
       std::initializer_list<std::pair<int64_t, const char*>>{{-5, "0ms"},
                                                              {0, "0ms"},
                                                              {12, "12ms"},
                                                              {999, "999ms"},
                                                              {1000, "1s"},
                                                              {1500, "1.5s"},
                                                              {1570, "1.57s"},
                                                              {1050, "1.05s"},
                                                              {1571, "1.58s"},
                                                              {59990, "59.99s"},
                                                              {59991, "1m0s"},
                                                              {60000, "1m0s"},
                                                              {60001, "1m1s"},
                                                              {360000, "6m0s"},
                                                              {3599000, "59m59s"},
                                                              {3600000, "1h0m0s"},
                                                              {86400000, "24h0m0s"}})
    EXPECT_EQ(FormatDuration(ms), text) << ms;
  EXPECT_FALSE(FormatDuration(INT64_MAX).empty());
}

}  // namespace
}  // namespace infe::refusal
