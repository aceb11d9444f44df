#include "cli/server_load.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/progress_bar.h"
#include "server/metrics/load_history.h"

namespace infe::cli {
namespace {

using Labels = MetricsPage::Labels;

class Between {
 public:
  Between(const MetricsLook& first, const MetricsLook& second)
      : first_(first),
        second_(second),
        seconds_(std::chrono::duration<double>(second.at - first.at).count()) {}

  // How much a counter has grown. One that is less than before began anew.
  std::optional<double> Grown(std::string_view family, const Labels& labels = {}) const {
    const auto now = second_.page.Sum(family, labels);
    if (!now) return std::nullopt;
    const double before = first_.page.Sum(family, labels).value_or(0);
    return *now >= before ? *now - before : *now;
  }
  std::optional<double> Rate(std::string_view family, const Labels& labels = {}) const {
    const auto grown = Grown(family, labels);
    return grown && seconds_ > 0 ? std::optional<double>(*grown / seconds_) : std::nullopt;
  }
  std::optional<double> QuantileMs(std::string_view family, const Labels& labels,
                                   double share) const {
    const auto now = second_.page.Histogram(family, labels);
    auto before = first_.page.Histogram(family, labels);
    if (before.bounds != now.bounds) before.counts.assign(now.counts.size(), 0);
    std::vector<uint64_t> counts;
    for (size_t i = 0; i < now.counts.size(); ++i)
      counts.push_back(static_cast<uint64_t>(
          now.counts[i] >= before.counts[i] ? now.counts[i] - before.counts[i] : now.counts[i]));
    const auto seconds = server::Quantile(counts, now.bounds, share);
    return seconds ? std::optional<double>(*seconds * 1000) : std::nullopt;
  }

 private:
  const MetricsLook& first_;
  const MetricsLook& second_;
  const double seconds_;
};

ModelLoad OfModel(const Between& between, const MetricsPage& now, const std::string& model) {
  const Labels labels{{"model", model}};
  ModelLoad load{.model = model};
  load.running = now.Sum("infe_running", labels).value_or(0);
  load.waiting = now.Sum("infe_queue_depth", labels).value_or(0);
  load.kv_usage = now.Sum("infe_kv_usage_ratio", labels);
  const auto steps = between.Grown("infe_engine_steps_total", labels);
  const auto forward = between.Grown("infe_engine_forward_seconds_total", labels);
  if (steps && forward && *steps > 0) load.step_ms = *forward / *steps * 1000;
  load.prompt_tok_s = between.Rate("infe_prompt_tokens_total", labels);
  load.cached_tok_s = between.Rate("infe_cached_tokens_total", labels);
  load.generated_tok_s = between.Rate("infe_generated_tokens_total", labels);
  load.ttft_p50_ms = between.QuantileMs("infe_ttft_seconds", labels, 0.5);
  load.ttft_p95_ms = between.QuantileMs("infe_ttft_seconds", labels, 0.95);
  load.token_p50_ms = between.QuantileMs("infe_inter_token_seconds", labels, 0.5);
  load.token_p95_ms = between.QuantileMs("infe_inter_token_seconds", labels, 0.95);
  return load;
}

Json Number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json();
}

// "-" where nothing is known; small numbers with a digit behind the point.
std::string Cell(const std::optional<double>& value) {
  if (!value) return "-";
  return *value > 0 && *value < 9.95 ? fmt::format("{:.1f}", *value)
                                     : fmt::format("{:.0f}", *value);
}

// Names are what the server says: whatever they hold, a row stays a row.
std::string OneLine(std::string_view said) {
  std::string text = Printable(said);
  std::replace_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return text;
}

struct Column {
  std::string_view title;
  std::string (*cell)(const ModelLoad& load);
};

constexpr Column kColumns[] = {
    {"run", [](const ModelLoad& m) { return fmt::format("{:.0f}", m.running); }},
    {"wait", [](const ModelLoad& m) { return fmt::format("{:.0f}", m.waiting); }},
    {"kv%",
     [](const ModelLoad& m) {
       return m.kv_usage ? fmt::format("{:.0f}", *m.kv_usage * 100) : std::string("-");
     }},
    {"step ms", [](const ModelLoad& m) { return Cell(m.step_ms); }},
    {"in/s", [](const ModelLoad& m) { return Cell(m.prompt_tok_s); }},
    {"cached/s", [](const ModelLoad& m) { return Cell(m.cached_tok_s); }},
    {"out/s", [](const ModelLoad& m) { return Cell(m.generated_tok_s); }},
    {"ttft p50", [](const ModelLoad& m) { return Cell(m.ttft_p50_ms); }},
    {"p95 ms", [](const ModelLoad& m) { return Cell(m.ttft_p95_ms); }},
    {"token p50", [](const ModelLoad& m) { return Cell(m.token_p50_ms); }},
    {"p95 ms", [](const ModelLoad& m) { return Cell(m.token_p95_ms); }},
};

}  // namespace

ServerLoad LoadBetween(const MetricsLook& first, const MetricsLook& second) {
  const Between between(first, second);
  const MetricsPage& now = second.page;
  ServerLoad load;
  const auto versions = now.ValuesOf("infe_build_info", "version");
  if (!versions.empty()) load.version = versions.front();
  load.ready = now.Sum("infe_ready").value_or(0) == 1;
  if (const auto started = now.Sum("process_start_time_seconds"))
    load.uptime_s = std::max(0.0, second.unix_s - *started);
  load.memory_bytes = now.Sum("process_resident_memory_bytes");
  if (const auto cpu = between.Rate("process_cpu_seconds_total")) load.cpu_percent = *cpu * 100;
  load.requests_s = between.Rate("infe_http_requests_total");
  load.connections = now.Sum("infe_http_connections");
  for (const std::string& model : now.ValuesOf("infe_running", "model"))
    load.models.push_back(OfModel(between, now, model));
  return load;
}

Json ToJson(const ServerLoad& load, const std::string& url) {
  Json models = Json::MakeArray();
  for (const ModelLoad& m : load.models)
    models.push_back(Json::Object{{"model", m.model},
                                  {"running", m.running},
                                  {"waiting", m.waiting},
                                  {"kv_usage_ratio", Number(m.kv_usage)},
                                  {"step_ms", Number(m.step_ms)},
                                  {"prompt_tokens_per_s", Number(m.prompt_tok_s)},
                                  {"cached_tokens_per_s", Number(m.cached_tok_s)},
                                  {"generated_tokens_per_s", Number(m.generated_tok_s)},
                                  {"ttft_p50_ms", Number(m.ttft_p50_ms)},
                                  {"ttft_p95_ms", Number(m.ttft_p95_ms)},
                                  {"inter_token_p50_ms", Number(m.token_p50_ms)},
                                  {"inter_token_p95_ms", Number(m.token_p95_ms)}});
  return Json::Object{{"url", url},
                      {"version", load.version},
                      {"ready", load.ready},
                      {"uptime_s", Number(load.uptime_s)},
                      {"memory_bytes", Number(load.memory_bytes)},
                      {"cpu_percent", Number(load.cpu_percent)},
                      {"requests_per_s", Number(load.requests_s)},
                      {"connections", Number(load.connections)},
                      {"models", std::move(models)}};
}

std::vector<std::string> ToLines(const ServerLoad& load, const std::string& url,
                                 const TerminalStyle& style) {
  std::string head = fmt::format("infe {} at {}: {}", OneLine(load.version), url,
                                 load.ready ? "ready" : style.In(Tone::kError, "not ready"));
  if (load.uptime_s) head += ", up " + HumanSeconds(*load.uptime_s);
  std::string machine = fmt::format("CPU {}%", Cell(load.cpu_percent));
  if (load.memory_bytes)
    machine += ", memory " + HumanBytes(static_cast<uint64_t>(std::max(*load.memory_bytes, 0.0)));
  machine +=
      fmt::format(", {} requests/s, {} connections", Cell(load.requests_s), Cell(load.connections));
  size_t name_width = 5;
  const auto name = [](const ModelLoad& load) { return OneLine(load.model); };
  for (const ModelLoad& model : load.models)
    name_width = std::max(name_width, ColumnsOf(name(model)));
  std::string titles = fmt::format("{:<{}}", "model", name_width);
  for (const Column& column : kColumns) titles += fmt::format("  {}", column.title);
  std::vector<std::string> lines{std::move(head), std::move(machine), "",
                                 style.In(Tone::kStrong, titles)};
  for (const ModelLoad& model : load.models) {
    std::string row = name(model);
    row += std::string(name_width - ColumnsOf(row), ' ');
    for (const Column& column : kColumns)
      row += fmt::format("  {:>{}}", column.cell(model), column.title.size());
    lines.push_back(std::move(row));
  }
  if (load.models.empty()) lines.push_back("No model runs on this server.");
  return lines;
}

}  // namespace infe::cli
