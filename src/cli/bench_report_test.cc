#include "cli/bench_report.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::cli {
namespace {

Json Told(const BenchOptions& options, const BenchReport& report) {
  const auto parsed = ParseJson(ReportJson(options, model::ModelConfig{}, report));
  EXPECT_TRUE(parsed.has_value());
  return *parsed;
}

TEST(BenchReport, PlainMembersAreMediansAndSpreadHasTheRange) {
  BenchReport report;
  report.weight_bytes_per_token = 100'000'000;
  for (const double value : {90.0, 110.0, 100.0}) report.decode_tok_s.Add(value);
  for (const double value : {10.0, 40.0, 20.0}) report.read_gb_s.Add(value);
  const Json told = Told({}, report);
  EXPECT_EQ(told.find("decode_tok_s")->as_double(), 100);
  EXPECT_EQ(told.find("read_gb_s")->as_double(), 20);
  // 100 tokens of 100 MB a second are 10 of 20 GB/s.
  EXPECT_DOUBLE_EQ(told.find("roofline_pct")->as_double(), 50);
  const Json* spread = told.find("spread")->find("decode_tok_s");
  ASSERT_NE(spread, nullptr);
  EXPECT_EQ(spread->find("min")->as_double(), 90);
  EXPECT_EQ(spread->find("max")->as_double(), 110);
}

TEST(BenchReport, WhatWasNotMeasuredIsNotTold) {
  const Json told = Told({}, {});
  for (const char* name : {"prefill_tok_s", "decode_tok_s", "batched_tok_s", "depth_tok_s",
                           "roofline_pct", "sweep", "mixed", "phases", "engine", "speculation"})
    EXPECT_EQ(told.find(name), nullptr) << name;
  EXPECT_EQ(told.find("spread")->Dump(), "{}");
}

TEST(BenchReport, PhasesAreMillisecondsOfOneStep) {
  BenchOptions options;
  options.phases = true;
  BenchReport report;
  model::PhaseTimes& times = report.phases["decode"];
  times.steps = 4;
  times.ms[static_cast<size_t>(model::StepPart::kHead)] = 10;
  const Json told = Told(options, report);
  const Json* decode = told.find("phases")->find("decode");
  ASSERT_NE(decode, nullptr);
  EXPECT_EQ(decode->find("steps")->as_int64(), 4);
  EXPECT_EQ(decode->find("head_ms")->as_double(), 2.5);
  EXPECT_EQ(decode->find("qkv_ms")->as_double(), 0);
}

}  // namespace
}  // namespace infe::cli
