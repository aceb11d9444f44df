// How progress is told: rates by injected times, and the text of the line.
#include <gtest/gtest.h>

#include "cli/progress_bar.h"
#include "cli/progress_rate.h"

namespace infe::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const ProgressRate::Clock::time_point kStart{};

TEST(ProgressRate, NothingIsSaidBeforeThereIsAMeasurement) {
  ProgressRate rate;
  EXPECT_FALSE(rate.PerSecond());
  rate.Add(kStart, 0);
  rate.Add(kStart + milliseconds(100), 50'000'000);
  EXPECT_FALSE(rate.PerSecond());
  EXPECT_FALSE(rate.RemainingSeconds(100));
}

TEST(ProgressRate, WhatWasDoneBeforeCountsForNothing) {
  ProgressRate rate;
  rate.Add(kStart, 400);  // an earlier run's
  rate.Add(kStart + seconds(2), 500);
  EXPECT_DOUBLE_EQ(rate.PerSecond().value(), 50);
  EXPECT_DOUBLE_EQ(rate.RemainingSeconds(1000).value(), 10);
}

TEST(ProgressRate, ItIsThatOfTheLastSeconds) {
  ProgressRate rate;
  uint64_t done = 0;
  for (int i = 0; i <= 600; ++i) {
    rate.Add(kStart + milliseconds(100 * i), done);
    done += i < 400 ? 1000 : 10;
  }
  EXPECT_DOUBLE_EQ(rate.PerSecond().value(), 100);
}

TEST(ProgressRate, AStandstillHasNoEnd) {
  ProgressRate rate;
  for (int i = 0; i < 30; ++i) rate.Add(kStart + seconds(i), 7);
  EXPECT_EQ(rate.PerSecond(), 0);
  EXPECT_FALSE(rate.RemainingSeconds(100));
}

TEST(ProgressRate, GoingBackIsANewBeginning) {
  ProgressRate rate;
  rate.Add(kStart, 0);
  rate.Add(kStart + seconds(1), 1000);
  rate.Add(kStart + seconds(2), 10);
  EXPECT_FALSE(rate.PerSecond());
}

TEST(ProgressText, SaysPartRateAndWhatIsLeft) {
  ProgressRate rate;
  rate.Add(kStart, 0);
  EXPECT_EQ(ProgressText(ProgressUnit::kBytes, 0, 491'000'000, rate), "0%, 0 B of 491 MB");
  rate.Add(kStart + seconds(10), 120'000'000);
  EXPECT_EQ(ProgressText(ProgressUnit::kBytes, 120'000'000, 491'000'000, rate),
            "24%, 120 MB of 491 MB, 12 MB/s, 31 s left");
  EXPECT_EQ(ProgressText(ProgressUnit::kBytes, 120'000'000, 0, rate), "120 MB, 12 MB/s");
  EXPECT_EQ(ProgressText(ProgressUnit::kFraction, 120'000'000, 480'000'000, rate),
            "25%, 30 s left");
  ProgressRate rounds;
  rounds.Add(kStart, 0);
  rounds.Add(kStart + seconds(60), 1);
  EXPECT_EQ(ProgressText(ProgressUnit::kRounds, 1, 3, rounds), "1 of 3, 2 min 0 s left");
  EXPECT_EQ(ProgressText(ProgressUnit::kRounds, 3, 3, rounds), "3 of 3");
}

TEST(FitTitle, KeepsTheEnd) {
  EXPECT_EQ(FitTitle("infe-pulse", 10), "infe-pulse");
  EXPECT_EQ(FitTitle("hf:org/repo:Q4_K_M", 12), "...po:Q4_K_M");
  // A character of two columns is taken whole or not at all.
  EXPECT_EQ(FitTitle("\xe6\xb5\xb7\xe6\xb5\xb7.gguf", 9), "\xe6\xb5\xb7\xe6\xb5\xb7.gguf");
  EXPECT_EQ(FitTitle("\xe6\xb5\xb7\xe6\xb5\xb7.gguf", 8), "....gguf");
  EXPECT_EQ(FitTitle("name", 3), "");
  EXPECT_EQ(FitTitle("name", 0), "");
}

TEST(HumanSeconds, AreRoundedUp) {
  EXPECT_EQ(HumanSeconds(0), "0 s");
  EXPECT_EQ(HumanSeconds(7.2), "8 s");
  EXPECT_EQ(HumanSeconds(125), "2 min 5 s");
  EXPECT_EQ(HumanSeconds(4320), "1 h 12 min");
}

}  // namespace
}  // namespace infe::cli
