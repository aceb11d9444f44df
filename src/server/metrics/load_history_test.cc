#include "server/metrics/load_history.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::server {
namespace {

using std::chrono::seconds;

constexpr double kBounds[] = {0.1, 0.2, 0.4};

LoadReading Reading(uint64_t tokens = 0) {
  return {.model = "m",
          .generated_tokens = tokens,
          .ttft = {0, 0, 0, 0},
          .inter_token = {0, 0, 0, 0},
          .ttft_bounds = kBounds,
          .inter_token_bounds = kBounds};
}

class LoadHistoryTest : public testing::Test {
 protected:
  void Look(const LoadReading& reading) {
    history_.Observe(std::vector{reading}, 1'000'000 + second_,
                     LoadHistory::Clock::time_point(seconds(second_)));
    second_ += 1;
  }
  void Look(const LoadReading& reading, int times) {
    for (int i = 0; i < times; ++i) Look(reading);
  }
  // A column of the only model, as it is written; null for null.
  std::vector<Json> Column(const char* name) const {
    const auto json = ParseJson(history_.Write());
    EXPECT_TRUE(json);
    const auto& data = json->find("data")->array();
    EXPECT_EQ(data.size(), 1u);
    const auto& column = data.at(0).find(name)->array();
    return {column.begin(), column.end()};
  }

  LoadHistory history_;
  int64_t second_ = 0;
};

TEST_F(LoadHistoryTest, IsEmptyAtFirst) {
  EXPECT_EQ(history_.Write(), R"({"object":"infe.load_history","interval_s":10,"data":[]})");
}

TEST_F(LoadHistoryTest, APointTellsTheRatesOfItsOwnIntervalAlone) {
  Look(Reading(1000));  // from before the first look: in no point
  Look(Reading(1050), 9);
  EXPECT_TRUE(Column("at").empty());
  Look(Reading(1100));
  Look(Reading(1100), 10);
  const auto rates = Column("generated_tokens_per_s");
  ASSERT_EQ(rates.size(), 2u);
  EXPECT_DOUBLE_EQ(rates[0].as_double(), 10);
  EXPECT_DOUBLE_EQ(rates[1].as_double(), 0);
  EXPECT_EQ(Column("at")[0].as_int64(), 1'000'010);
}

TEST_F(LoadHistoryTest, LoadIsTheMeanOfItsLooksAndMemoryTheMost) {
  Look(Reading());
  LoadReading busy = Reading();
  busy.running = 4;
  busy.waiting = 2;
  busy.kv_usage = 0.75;
  Look(busy, 5);
  Look(Reading(), 5);
  EXPECT_DOUBLE_EQ(Column("running").at(0).as_double(), 2);
  EXPECT_DOUBLE_EQ(Column("waiting").at(0).as_double(), 1);
  EXPECT_DOUBLE_EQ(Column("kv_usage_ratio").at(0).as_double(), 0.75);
}

TEST_F(LoadHistoryTest, WhatWasNotMeasuredIsNull) {
  Look(Reading(), 11);
  for (const char* name : {"step_ms", "ttft_p50_ms", "ttft_p95_ms", "inter_token_p95_ms"})
    EXPECT_TRUE(Column(name).at(0).is_null()) << name;
}

TEST_F(LoadHistoryTest, TimesAreOfTheIntervalsObservations) {
  LoadReading before = Reading();
  before.ttft = {100, 0, 0, 0};
  before.steps = 10;
  before.step_ms = 1000;
  Look(before);
  LoadReading after = before;
  after.ttft = {100, 10, 0, 0};
  after.steps = 14;
  after.step_ms = 1100;
  Look(after, 10);
  EXPECT_DOUBLE_EQ(Column("ttft_p50_ms").at(0).as_double(), 150);
  EXPECT_DOUBLE_EQ(Column("ttft_p95_ms").at(0).as_double(), 195);
  EXPECT_DOUBLE_EQ(Column("step_ms").at(0).as_double(), 25);
}

TEST_F(LoadHistoryTest, AModelThatIsLoadedAnewCountsFromNothing) {
  LoadReading old = Reading(5000);
  old.steps = 100;
  old.step_ms = 9000;
  Look(old);
  LoadReading anew = Reading(50);
  anew.steps = 5;
  anew.step_ms = 100;
  Look(anew, 10);
  EXPECT_DOUBLE_EQ(Column("generated_tokens_per_s").at(0).as_double(), 5);
  EXPECT_DOUBLE_EQ(Column("step_ms").at(0).as_double(), 20);
}

TEST_F(LoadHistoryTest, KeepsAnHour) {
  Look(Reading(), 10 * (static_cast<int>(LoadHistory::kPointsMax) + 5) + 1);
  const auto at = Column("at");
  EXPECT_EQ(at.size(), LoadHistory::kPointsMax);
  EXPECT_EQ(*at.back().as_int64() - *at.front().as_int64(), 3590);
}

TEST_F(LoadHistoryTest, AModelThatIsGoneStaysForItsHour) {
  Look(Reading(), 11);
  second_ += 3000;
  history_.Observe({}, 0, LoadHistory::Clock::time_point(seconds(second_)));
  EXPECT_EQ(Column("at").size(), 1u);
  second_ += 700;
  history_.Observe({}, 0, LoadHistory::Clock::time_point(seconds(second_)));
  EXPECT_EQ(history_.Write(), R"({"object":"infe.load_history","interval_s":10,"data":[]})");
}

// A machine that slept: the interval was long, so the rate is low.
TEST_F(LoadHistoryTest, RatesAreOfTheTimeThatPassed) {
  Look(Reading(0));
  second_ = 100;
  Look(Reading(100));
  EXPECT_DOUBLE_EQ(Column("generated_tokens_per_s").at(0).as_double(), 1);
}

TEST(Quantile, IsLinearWithinItsBucket) {
  const std::vector<uint64_t> counts = {0, 10, 10, 0};
  EXPECT_DOUBLE_EQ(*Quantile(counts, kBounds, 0.5), 0.2);
  EXPECT_DOUBLE_EQ(*Quantile(counts, kBounds, 0.25), 0.15);
  EXPECT_DOUBLE_EQ(*Quantile(counts, kBounds, 1), 0.4);
}

TEST(Quantile, BeyondTheLastBoundIsThatBound) {
  EXPECT_DOUBLE_EQ(*Quantile(std::vector<uint64_t>{0, 0, 0, 3}, kBounds, 0.5), 0.4);
}

TEST(Quantile, OfNothingIsNothing) {
  EXPECT_FALSE(Quantile(std::vector<uint64_t>{0, 0, 0, 0}, kBounds, 0.5));
}

}  // namespace
}  // namespace infe::server
