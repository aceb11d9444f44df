#include "cli/server_load.h"

#include <gtest/gtest.h>

namespace infe::cli {
namespace {

using std::chrono::seconds;

MetricsLook Look(int at_s, std::string_view text) {
  return {.at = std::chrono::steady_clock::time_point(seconds(at_s)),
          .unix_s = 1000.0 + at_s,
          .page = MetricsPage::Parse(text)};
}

TEST(MetricsPage, ReadsLabelsAndEscapes) {
  const auto page = MetricsPage::Parse(
      "# HELP a_total of things\n"
      "# TYPE a_total counter\n"
      "a_total{model=\"m\",code=\"200\"} 3\n"
      "a_total{model=\"m\",code=\"500\"} 4 1712345678000\n"
      "a_total{model=\"quoted \\\"x\\\" \\\\ \\n\"} 1e3\n"
      "plain 1.5\n");
  EXPECT_EQ(page.Sum("a_total"), 1007);
  EXPECT_EQ(page.Sum("a_total", {{"model", "m"}}), 7);
  EXPECT_EQ(page.Sum("a_total", {{"code", "500"}, {"model", "m"}}), 4);
  EXPECT_FALSE(page.Sum("a_total", {{"model", "other"}}));
  EXPECT_FALSE(page.Sum("a"));
  EXPECT_EQ(page.Sum("plain"), 1.5);
  EXPECT_EQ(page.ValuesOf("a_total", "model"),
            (std::vector<std::string>{"m", "quoted \"x\" \\ \n"}));
}

TEST(MetricsPage, LinesThatBreakOffAreLeftOut) {
  for (const std::string_view line : {"a{", "a{b", "a{b=\"", "a{b=\"c", "a{b=\"c\"", "a{b=\"c\"}",
                                      "a{b=\"c\"} x", "a", "a ", "{} 1", "\n\n", "a{b=\"c\\"}) {
    const auto page = MetricsPage::Parse(line);
    EXPECT_FALSE(page.Sum("a")) << line;
  }
  EXPECT_EQ(MetricsPage::Parse("a{ 1\nb 2").Sum("b"), 2);
  for (const std::string_view value : {"NaN", "+Inf", "-Inf", "1e300"})
    EXPECT_FALSE(MetricsPage::Parse("a " + std::string(value)).Sum("a")) << value;
}

TEST(MetricsPage, AHistogramIsNoLongerCumulative) {
  const auto page = MetricsPage::Parse(
      "h_bucket{model=\"m\",le=\"0.1\"} 2\n"
      "h_bucket{model=\"m\",le=\"1\"} 5\n"
      "h_bucket{model=\"m\",le=\"+Inf\"} 6\n"
      "h_bucket{model=\"n\",le=\"0.1\"} 10\n");
  const auto buckets = page.Histogram("h", {{"model", "m"}});
  EXPECT_EQ(buckets.bounds, (std::vector<double>{0.1, 1}));
  EXPECT_EQ(buckets.counts, (std::vector<double>{2, 3, 1}));
  // Without its last bucket it is none.
  EXPECT_TRUE(page.Histogram("h", {{"model", "n"}}).counts.empty());
  EXPECT_TRUE(page.Histogram("g", {}).counts.empty());
}

constexpr std::string_view kBefore =
    "infe_ready 1\ninfe_build_info{version=\"1.2\"} 1\nprocess_start_time_seconds 900\n"
    "process_cpu_seconds_total 10\n"
    "infe_running{model=\"m\"} 1\ninfe_queue_depth{model=\"m\"} 0\n"
    "infe_generated_tokens_total{model=\"m\"} 100\ninfe_prompt_tokens_total{model=\"m\"} 50\n"
    "infe_engine_steps_total{model=\"m\"} 10\n"
    "infe_engine_forward_seconds_total{model=\"m\"} 1\n"
    "infe_ttft_seconds_bucket{model=\"m\",le=\"0.1\"} 4\n"
    "infe_ttft_seconds_bucket{model=\"m\",le=\"0.2\"} 8\n"
    "infe_ttft_seconds_bucket{model=\"m\",le=\"+Inf\"} 8\n";
constexpr std::string_view kAfter =
    "infe_ready 1\ninfe_build_info{version=\"1.2\"} 1\nprocess_start_time_seconds 900\n"
    "process_cpu_seconds_total 13\n"
    "infe_running{model=\"m\"} 2\ninfe_queue_depth{model=\"m\"} 5\n"
    "infe_kv_usage_ratio{model=\"m\"} 0.25\n"
    "infe_generated_tokens_total{model=\"m\"} 180\ninfe_prompt_tokens_total{model=\"m\"} 50\n"
    "infe_engine_steps_total{model=\"m\"} 30\n"
    "infe_engine_forward_seconds_total{model=\"m\"} 1.5\n"
    "infe_ttft_seconds_bucket{model=\"m\",le=\"0.1\"} 4\n"
    "infe_ttft_seconds_bucket{model=\"m\",le=\"0.2\"} 18\n"
    "infe_ttft_seconds_bucket{model=\"m\",le=\"+Inf\"} 18\n";

TEST(ServerLoad, IsWhatHappenedBetweenTwoLooks) {
  const ServerLoad load = LoadBetween(Look(0, kBefore), Look(2, kAfter));
  EXPECT_EQ(load.version, "1.2");
  EXPECT_TRUE(load.ready);
  EXPECT_EQ(load.uptime_s, 102);
  EXPECT_EQ(load.cpu_percent, 150);
  ASSERT_EQ(load.models.size(), 1u);
  const ModelLoad& model = load.models[0];
  EXPECT_EQ(model.running, 2);
  EXPECT_EQ(model.waiting, 5);
  EXPECT_EQ(model.kv_usage, 0.25);
  EXPECT_EQ(model.generated_tok_s, 40);
  EXPECT_EQ(model.prompt_tok_s, 0);
  EXPECT_EQ(model.step_ms, 25);
  // All ten of the interval lie between 0.1 and 0.2 s.
  EXPECT_NEAR(model.ttft_p50_ms.value(), 150, 1e-6);
  EXPECT_NEAR(model.ttft_p95_ms.value(), 195, 1e-6);
  EXPECT_FALSE(model.token_p50_ms);
  EXPECT_FALSE(model.cached_tok_s);
}

TEST(ServerLoad, ARestartMakesNoNegativeRates) {
  // kBefore's server again, with less counted than kAfter's.
  const ServerLoad load = LoadBetween(Look(0, kAfter), Look(2, kBefore));
  ASSERT_EQ(load.models.size(), 1u);
  EXPECT_EQ(load.models[0].generated_tok_s, 50);
  EXPECT_EQ(load.models[0].step_ms, 100);
  EXPECT_EQ(load.cpu_percent, 500);
  EXPECT_TRUE(load.models[0].ttft_p50_ms);
}

TEST(ServerLoad, AModelThatJoinsCountsFromItsBeginning) {
  const ServerLoad load = LoadBetween(Look(0, "infe_ready 1\n"), Look(1, kBefore));
  ASSERT_EQ(load.models.size(), 1u);
  EXPECT_EQ(load.models[0].generated_tok_s, 100);
}

TEST(ServerLoad, LinesAndJsonSayTheSame) {
  const ServerLoad load = LoadBetween(Look(0, kBefore), Look(2, kAfter));
  const Json json = ToJson(load, "http://x");
  EXPECT_EQ(json.find("models")->array()[0].find("generated_tokens_per_s")->as_double(), 40);
  EXPECT_TRUE(json.find("models")->array()[0].find("inter_token_p50_ms")->is_null());
  const auto lines = ToLines(load, "http://x", TerminalStyle(-1));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], "infe 1.2 at http://x: ready, up 1 min 42 s");
  EXPECT_EQ(
      lines[3],
      "model  run  wait  kv%  step ms  in/s  cached/s  out/s  ttft p50  p95 ms  token p50  p95 ms");
  EXPECT_EQ(
      lines[4],
      "m        2     5   25       25     0         -     40       150     195          -       -");
}

TEST(ServerLoad, WhatTheServerCallsItsModelsMovesNoCursor) {
  const auto look = [](int at) {
    return Look(at,
                "infe_ready 1\ninfe_build_info{version=\"\x1b[2J\"} 1\n"
                "process_resident_memory_bytes -1\n"
                "infe_running{model=\"a\\nb\x1b]0;c\x07\"} 1\n");
  };
  for (const std::string& line : ToLines(LoadBetween(look(0), look(1)), "x", TerminalStyle(-1)))
    for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << line;
}

TEST(ServerLoad, AServerThatComputesNothingSaysSo) {
  const auto lines =
      ToLines(LoadBetween(Look(0, ""), Look(1, "infe_ready 0\n")), "http://x", TerminalStyle(-1));
  EXPECT_EQ(lines[0], "infe  at http://x: not ready");
  EXPECT_EQ(lines.back(), "No model runs on this server.");
}

}  // namespace
}  // namespace infe::cli
