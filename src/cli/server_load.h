// The load of a server between two looks at its /metrics: what infe top shows.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/metrics_page.h"
#include "cli/terminal_style.h"

namespace infe::cli {

// Absent: nothing was observed in between, or the server does not tell it.
struct ModelLoad {
  std::string model = {};
  double running = 0, waiting = 0;      // sequences, at the second look
  std::optional<double> kv_usage = {};  // 0 to 1, at the second look
  std::optional<double> step_ms = {};   // the mean
  std::optional<double> prompt_tok_s = {}, cached_tok_s = {}, generated_tok_s = {};
  std::optional<double> ttft_p50_ms = {}, ttft_p95_ms = {};
  std::optional<double> token_p50_ms = {}, token_p95_ms = {};  // between two of one answer
};

struct ServerLoad {
  std::string version = {};
  bool ready = false;
  std::optional<double> uptime_s = {};
  std::optional<double> memory_bytes = {};
  std::optional<double> cpu_percent = {};  // of one CPU
  std::optional<double> requests_s = {};   // answered, of the API and of operations
  std::optional<double> connections = {};
  std::vector<ModelLoad> models = {};
};

// One look.
struct MetricsLook {
  std::chrono::steady_clock::time_point at;
  double unix_s = 0;
  MetricsPage page;
};

// Where the server was started anew in between, everything that it has counted since then is of
// the time in between; so is what a model has that was loaded anew.
ServerLoad LoadBetween(const MetricsLook& first, const MetricsLook& second);

Json ToJson(const ServerLoad& load, const std::string& url);
// Lines for people: what the server is, then a row for each model.
std::vector<std::string> ToLines(const ServerLoad& load, const std::string& url,
                                 const TerminalStyle& style);

}  // namespace infe::cli
