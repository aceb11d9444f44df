#include "upstream/upstream.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace infe::upstream {
namespace {

using Outcome = Upstream::Outcome;
using Seat = Upstream::Seat;

constexpr Breaker::Time kNow{std::chrono::hours(1)};

TEST(Upstream, ASeatIsCountedUntilItGoes) {
  const auto upstream = std::make_shared<Upstream>(UpstreamOptions{.name = "a"});
  {
    Seat one(upstream);
    Seat two(upstream);
    EXPECT_EQ(upstream->outstanding(), 2U);
    one.Tell(Outcome::kAnswered, kNow);
    one.Tell(Outcome::kFailed, kNow);
    EXPECT_EQ(upstream->outstanding(), 2U);
  }
  EXPECT_EQ(upstream->outstanding(), 0U);
  EXPECT_EQ(upstream->counts().answered, 1U);
  EXPECT_EQ(upstream->counts().failed, 0U) << "an outcome is told once";
  EXPECT_EQ(upstream->counts().left, 1U) << "what is never told has left";
}

TEST(Upstream, BusyEndsByItself) {
  Upstream upstream({.name = "a"});
  EXPECT_FALSE(upstream.IsBusy(kNow));
  upstream.SetBusyUntil(kNow + std::chrono::seconds(2));
  EXPECT_TRUE(upstream.IsBusy(kNow + std::chrono::seconds(1)));
  EXPECT_FALSE(upstream.IsBusy(kNow + std::chrono::seconds(2)));
}

TEST(Upstream, ItsKeyIsAHeaderAndNothingElse) {
  const Upstream keyed({.name = "a", .key = "sk-1"}), open({.name = "b"});
  const auto has_key = [](const Upstream& upstream) {
    const auto headers = upstream.Headers();
    return std::find(headers.begin(), headers.end(), "Authorization: Bearer sk-1") != headers.end();
  };
  EXPECT_TRUE(has_key(keyed));
  EXPECT_FALSE(has_key(open));
  EXPECT_EQ(keyed.Redact(std::string("sk-1sk-1 and sk-2")), "****** and sk-2");
  EXPECT_EQ(open.Redact(std::string("anything")), "anything");
}

TEST(Upstream, TheOperatorIsToldOnceThatItFailsAndOnceThatItAnswers) {
  std::vector<std::string> told;
  const auto upstream = std::make_shared<Upstream>(
      UpstreamOptions{.name = "gpu-a", .tell = [&](const std::string& s) { told.push_back(s); }});
  auto now = kNow;
  const auto fail = [&] { Seat(upstream).Tell(Outcome::kFailed, now, "it answers 500"); };
  fail();
  fail();
  EXPECT_TRUE(told.empty()) << "chance";
  fail();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("gpu-a"), std::string::npos);
  EXPECT_NE(told[0].find("it answers 500"), std::string::npos);
  // Trials that fail, and one that is only heard, are no news.
  for (int i = 0; i < 5; ++i) {
    now = upstream->rest_until();
    fail();
  }
  now = upstream->rest_until();
  {
    Seat heard(upstream);
    heard.TellHeard();
    EXPECT_EQ(told.size(), 1U);
    heard.TellBegun();
  }
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1], "upstream gpu-a answers again");
  Seat(upstream).Tell(Outcome::kAnswered, now);
  EXPECT_EQ(told.size(), 2U);
}

}  // namespace
}  // namespace infe::upstream
