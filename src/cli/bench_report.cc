#include "cli/bench_report.h"

#include <fmt/format.h>

#include "base/cpu_features.h"
#include "base/json.h"

namespace infe::cli {
namespace {

Json Number(uint64_t n) {
  return Json(static_cast<int64_t>(n));
}

Json ToJson(const Series& series) {
  return Json(
      Json::Object{{"median", series.Median()}, {"min", series.Min()}, {"max", series.Max()}});
}

Json SweepJson(const BenchReport& report) {
  Json::Array sweep;
  for (const auto& [streams, series] : report.sweep_tok_s)
    sweep.push_back(Json(Json::Object{{"streams", Number(streams)}, {"tok_s", ToJson(series)}}));
  return Json(std::move(sweep));
}

Json MixedJson(const BenchReport& report) {
  Json::Array mixed;
  for (const auto& [chunk, series] : report.mixed)
    mixed.push_back(Json(Json::Object{{"streams", Number(report.mixed_streams)},
                                      {"prompt", Number(report.mixed_prompt)},
                                      {"chunk", Number(chunk)},
                                      {"prefill_tok_s", ToJson(series.prefill_tok_s)},
                                      {"decode_tok_s", ToJson(series.decode_tok_s)},
                                      {"worst_gap_ms", ToJson(series.worst_gap_ms)}}));
  return Json(std::move(mixed));
}

// Milliseconds of one step by part.
Json PhasesJson(const BenchReport& report) {
  Json::Object out;
  for (const auto& [work, times] : report.phases) {
    Json::Object parts{{"steps", Number(times.steps)}};
    for (size_t i = 0; i < model::kStepParts; ++i)
      parts.push_back({fmt::format("{}_ms", model::kStepPartNames[i]),
                       times.ms[i] / static_cast<double>(std::max<uint64_t>(1, times.steps))});
    out.push_back({work, Json(std::move(parts))});
  }
  return Json(std::move(out));
}

Json EngineJson(const BenchReport& report) {
  Json::Array out;
  for (const auto& [key, cost] : report.engine)
    out.push_back(Json(Json::Object{{"streams", Number(key.first)},
                                    {"temperature", key.second},
                                    {"tok_s", ToJson(cost.tok_s)},
                                    {"overhead_us_per_token", ToJson(cost.overhead_us)},
                                    {"overhead_pct", ToJson(cost.overhead_pct)}}));
  return Json(std::move(out));
}

Json SpeculationJson(const BenchReport& report) {
  Json::Array out;
  for (const auto& [key, gain] : report.speculation)
    out.push_back(Json(Json::Object{{"text", key.first},
                                    {"streams", Number(key.second)},
                                    {"ratio", ToJson(gain.ratio)},
                                    {"with_tok_s", ToJson(gain.with_tok_s)},
                                    {"without_tok_s", ToJson(gain.without_tok_s)},
                                    {"with_overhead_us", ToJson(gain.with_overhead_us)},
                                    {"without_overhead_us", ToJson(gain.without_overhead_us)},
                                    {"drafted", Number(gain.drafted)},
                                    {"accepted", Number(gain.accepted)}}));
  return Json(std::move(out));
}

void PrintRow(const std::string& name, const Series& series, const char* unit) {
  if (series.empty()) return;
  fmt::print("  {:<46}{:>9.1f}   {:>8.1f} .. {:<8.1f} {}\n", name, series.Median(), series.Min(),
             series.Max(), unit);
}

void PrintEngine(const BenchReport& report) {
  for (const auto& [key, cost] : report.engine) {
    const std::string name =
        fmt::format("engine, {} streams, temperature {:g}", key.first, key.second);
    PrintRow(name, cost.tok_s, "tok/s");
    PrintRow(name + ": outside Forward", cost.overhead_us, "us/token");
    PrintRow(name + ": outside Forward", cost.overhead_pct, "%");
  }
  for (const auto& [key, gain] : report.speculation) {
    fmt::print(
        "  {:<46}{:>9.3f}   {:>8.3f} .. {:<8.3f} x   {:.1f} tok/s without; {} of {} drafted "
        "accepted; outside Forward {:.0f} us a token, without {:.0f}\n",
        fmt::format("drafts: {}, {}", key.first, key.second), gain.ratio.Median(), gain.ratio.Min(),
        gain.ratio.Max(), gain.without_tok_s.Median(), gain.accepted, gain.drafted,
        gain.with_overhead_us.Median(), gain.without_overhead_us.Median());
  }
}

void PrintPhases(const BenchReport& report) {
  for (const auto& [work, times] : report.phases) {
    std::string line;
    for (size_t i = 0; i < model::kStepParts; ++i)
      line += fmt::format("  {} {:.3f}", model::kStepPartNames[i],
                          times.ms[i] / static_cast<double>(std::max<uint64_t>(1, times.steps)));
    fmt::print("  a step of {}, ms:{}\n", work, line);
  }
}

}  // namespace

double BenchReport::RooflinePercent() const {
  const double limit = read_gb_s.Median() * 1e9 / static_cast<double>(weight_bytes_per_token);
  return limit > 0 ? 100 * decode_tok_s.Median() / limit : 0;
}

std::string ReportJson(const BenchOptions& a, const model::ModelConfig& config,
                       const BenchReport& report) {
  Json::Object out{
      {"model", a.model},
      {"architecture", config.architecture},
      {"quantisation", config.quantisation},
      {"cpu", GetCpuFeatures().model_name},
      {"kernels", report.isa},
      {"threads", Number(report.threads)},
      {"kv_type", a.kv_type},
      {"repeat", Number(a.repeat)},
      {"prefill", Number(a.prefill)},
      {"decode", Number(a.decode)},
      {"streams", Number(a.streams)},
      {"stream_prompt", Number(a.stream_prompt)},
      {"depth", Number(a.depth)},
      {"load_s", report.load_s},
      {"weight_bytes_per_token", Number(report.weight_bytes_per_token)},
  };
  Json::Object spread;
  const auto add = [&](const char* name, const Series& series) {
    if (series.empty()) return;
    out.push_back({name, series.Median()});
    spread.push_back({name, ToJson(series)});
  };
  add("prefill_tok_s", report.prefill_tok_s);
  add("decode_tok_s", report.decode_tok_s);
  add("batched_tok_s", report.batched_tok_s);
  add("depth_tok_s", report.depth_tok_s);
  add("read_gb_s", report.read_gb_s);
  add("matmul_gmac_s", report.matmul_gmac_s);
  if (report.RooflinePercent() > 0) out.push_back({"roofline_pct", report.RooflinePercent()});
  out.push_back({"spread", Json(std::move(spread))});
  if (a.sweep) {
    out.push_back({"sweep", SweepJson(report)});
    out.push_back({"mixed", MixedJson(report)});
  }
  if (a.phases) out.push_back({"phases", PhasesJson(report)});
  if (!report.engine.empty()) out.push_back({"engine", EngineJson(report)});
  if (!report.speculation.empty()) out.push_back({"speculation", SpeculationJson(report)});
  return Json(std::move(out)).Dump();
}

void PrintReport(const BenchOptions& a, const model::ModelConfig& config,
                 const BenchReport& report) {
  fmt::print("{} ({}, {}), {} kernels, {} threads, {} KV, on {}\n", a.model, config.architecture,
             config.quantisation, report.isa, report.threads, a.kv_type,
             GetCpuFeatures().model_name);
  fmt::print("  {:<46}{:>9}   {:>8} .. {:<8} of {}\n", "", "median", "min", "max", a.repeat);
  PrintRow(fmt::format("prefill, {} tokens", a.prefill), report.prefill_tok_s, "tok/s");
  PrintRow("decode, one stream", report.decode_tok_s, "tok/s");
  PrintRow(fmt::format("decode, {} streams together", a.streams), report.batched_tok_s, "tok/s");
  PrintRow(fmt::format("decode at depth {}", a.depth), report.depth_tok_s, "tok/s");
  for (const auto& [streams, series] : report.sweep_tok_s)
    PrintRow(fmt::format("sweep: decode, {} streams", streams), series, "tok/s");
  for (const auto& [chunk, series] : report.mixed) {
    PrintRow(fmt::format("{} streams + prompt by {}: prompt", report.mixed_streams, chunk),
             series.prefill_tok_s, "tok/s");
    PrintRow(fmt::format("{} streams + prompt by {}: streams", report.mixed_streams, chunk),
             series.decode_tok_s, "tok/s");
    PrintRow(fmt::format("{} streams + prompt by {}: worst gap", report.mixed_streams, chunk),
             series.worst_gap_ms, "ms");
  }
  PrintRow("probe: memory read", report.read_gb_s, "GB/s");
  PrintRow("probe: product, 64 rows, Q4_0", report.matmul_gmac_s, "GMAC/s");
  fmt::print("  {:<46}{:>9.2f}   s\n", "load, warm", report.load_s);
  PrintPhases(report);
  PrintEngine(report);
  if (report.RooflinePercent() > 0)
    fmt::print("  one stream reads {:.1f} MB of weights a token: {:.0f}% of the memory's speed\n",
               static_cast<double>(report.weight_bytes_per_token) / 1e6, report.RooflinePercent());
}

}  // namespace infe::cli
