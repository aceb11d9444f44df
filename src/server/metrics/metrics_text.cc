#include "server/metrics/metrics_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "engine/engine.h"
#include "server/metrics/prometheus_text.h"
#include "server/metrics/upstream_metrics.h"
#include "server/version.h"

namespace infe::server {
namespace {

using Text = PrometheusText;

// 49 kB with one model; what is too little grows by itself.
constexpr size_t kBytesExpected = size_t{96} << 10;

struct OneModel {
  std::optional<engine::EngineStats> engine;  // of a model on this machine
  ModelMetrics* metrics;
  double load_seconds = 0;
  std::string infe_labels, vllm_labels;
  std::string file_labels = {};  // of infe_model_info
  uint64_t file_bytes = 0, draft_bytes = 0;
  uint32_t context_max = 0;
};

// One series of the engine under our name and, where routers know one, under vLLM's.
struct EngineSeries {
  const char* name;   // or null: an older alias of a series above
  const char* alias;  // or null
  const char* type;
  const char* help;
  double (*read)(const engine::EngineStats&);
};

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

using S = engine::EngineStats;
constexpr EngineSeries kEngineSeries[] = {
    {"infe_running", "vllm:num_requests_running", "gauge", "Sequences in the batch.",
     [](const S& s) { return static_cast<double>(s.running); }},
    {"infe_queue_depth", "vllm:num_requests_waiting", "gauge", "Sequences that wait for the batch.",
     [](const S& s) { return static_cast<double>(s.waiting); }},
    {"infe_queue_tokens", nullptr, "gauge", "Prompt tokens of the waiting sequences.",
     [](const S& s) { return static_cast<double>(s.waiting_prompt_tokens); }},
    {"infe_paused", nullptr, "gauge", "Sequences whose reader does not read.",
     [](const S& s) { return static_cast<double>(s.paused); }},
    {"infe_kv_blocks_used", nullptr, "gauge", "KV blocks held by running sequences.",
     [](const S& s) { return static_cast<double>(s.kv_blocks_used); }},
    {"infe_kv_blocks_total", nullptr, "gauge", "KV blocks there are.",
     [](const S& s) { return static_cast<double>(s.kv_blocks_total); }},
    {"infe_kv_blocks_remembered", nullptr, "gauge", "Nodes of the prefix cache.",
     [](const S& s) { return static_cast<double>(s.kv_blocks_remembered); }},
    {"infe_kv_usage_ratio", "vllm:kv_cache_usage_perc", "gauge", "Used KV blocks of all, 0 to 1.",
     [](const S& s) { return Ratio(s.kv_blocks_used, s.kv_blocks_total); }},
    {nullptr, "vllm:gpu_cache_usage_perc", "gauge", "The older name of kv_cache_usage_perc.",
     [](const S& s) { return Ratio(s.kv_blocks_used, s.kv_blocks_total); }},
    {"infe_prompt_tokens_total", "vllm:prompt_tokens_total", "counter", "Prompt tokens taken in.",
     [](const S& s) { return static_cast<double>(s.prompt_tokens); }},
    {"infe_cached_tokens_total", "vllm:prompt_tokens_cached_total", "counter",
     "Prompt tokens found in the prefix cache.",
     [](const S& s) { return static_cast<double>(s.cached_tokens); }},
    {"infe_prefix_queries_total", "vllm:prefix_cache_queries_total", "counter",
     "Prompt tokens looked up in the prefix cache.",
     [](const S& s) { return static_cast<double>(s.prompt_tokens); }},
    {"infe_prefix_hits_total", "vllm:prefix_cache_hits_total", "counter",
     "Prompt tokens found in the prefix cache.",
     [](const S& s) { return static_cast<double>(s.cached_tokens); }},
    {nullptr, "vllm:gpu_prefix_cache_queries_total", "counter",
     "The older name of prefix_cache_queries_total.",
     [](const S& s) { return static_cast<double>(s.prompt_tokens); }},
    {nullptr, "vllm:gpu_prefix_cache_hits_total", "counter",
     "The older name of prefix_cache_hits_total.",
     [](const S& s) { return static_cast<double>(s.cached_tokens); }},
    {"infe_generated_tokens_total", "vllm:generation_tokens_total", "counter", "Tokens generated.",
     [](const S& s) { return static_cast<double>(s.generated_tokens); }},
    {"infe_preemptions_total", "vllm:num_preemptions_total", "counter",
     "Sequences set back for want of KV memory.",
     [](const S& s) { return static_cast<double>(s.preemptions); }},
    {"infe_finished_total", nullptr, "counter", "Sequences finished.",
     [](const S& s) { return static_cast<double>(s.finished); }},
    {"infe_rejected_total", nullptr, "counter", "Sequences refused by the engine's queue.",
     [](const S& s) { return static_cast<double>(s.rejected); }},
    {"infe_engine_steps_total", nullptr, "counter", "Forward passes.",
     [](const S& s) { return static_cast<double>(s.steps); }},
    {"infe_engine_forward_seconds_total", nullptr, "counter", "Time inside the model.",
     [](const S& s) { return s.forward_ms / 1000; }},
    {"infe_engine_overhead_seconds_total", nullptr, "counter",
     "Time of steps outside the model: scheduling, sampling, events.",
     [](const S& s) { return s.overhead_ms / 1000; }},
    {"infe_grammar_jobs_total", nullptr, "counter",
     "Masks and other questions of grammars that were too dear for the engine's thread.",
     [](const S& s) { return static_cast<double>(s.grammar_jobs); }},
    {"infe_grammar_job_seconds_total", nullptr, "counter",
     "CPU time of these, in a thread of their own.",
     [](const S& s) { return s.grammar_job_ms / 1000; }},
    {"infe_grammar_refusals_total", nullptr, "counter",
     "Requests ended by a bound of a running grammar.",
     [](const S& s) { return static_cast<double>(s.grammar_refusals); }},
    {"infe_grammar_resting", nullptr, "gauge", "Sequences that rest until their grammar answers.",
     [](const S& s) { return static_cast<double>(s.resting_for_grammar); }},
    {"infe_drafted_tokens_total", "vllm:spec_decode_num_draft_tokens_total", "counter",
     "Tokens proposed by speculation.", [](const S& s) { return static_cast<double>(s.drafted); }},
    {"infe_accepted_tokens_total", "vllm:spec_decode_num_accepted_tokens_total", "counter",
     "Proposed tokens that were right.",
     [](const S& s) { return static_cast<double>(s.accepted); }},
    {"infe_model_drafted_tokens_total", nullptr, "counter", "Of the proposed, by a draft model.",
     [](const S& s) { return static_cast<double>(s.model_drafted); }},
    {"infe_model_accepted_tokens_total", nullptr, "counter", "Of these, those that were right.",
     [](const S& s) { return static_cast<double>(s.model_accepted); }},
    {"infe_draft_model_seconds_total", nullptr, "counter", "Time inside the draft model.",
     [](const S& s) { return s.draft_ms / 1000; }},
    {"infe_draft_state_bytes", nullptr, "gauge",
     "Memory of a draft model's keys and values, a part of kv_memory.",
     [](const S& s) { return static_cast<double>(s.draft_state_bytes); }},
};

struct HistogramSeries {
  const char* name;  // or null
  const char* alias;
  const char* help;
  Histogram ModelMetrics::* histogram;
};
constexpr HistogramSeries kHistograms[] = {
    {"infe_ttft_seconds", "vllm:time_to_first_token_seconds",
     "From admission by the engine to the first token.", &ModelMetrics::ttft},
    {"infe_inter_token_seconds", "vllm:inter_token_latency_seconds",
     "Between one token of a choice and the next.", &ModelMetrics::inter_token},
    {nullptr, "vllm:time_per_output_token_seconds", "The older name of the same.",
     &ModelMetrics::inter_token},
    {"infe_request_token_seconds", "vllm:request_time_per_output_token_seconds",
     "Mean time per token after the first, one observation a request.", &ModelMetrics::token_mean},
    {"infe_request_seconds", "vllm:e2e_request_latency_seconds",
     "First byte of the request to last byte of the answer.", &ModelMetrics::total},
    {"infe_queue_time_seconds", "vllm:request_queue_time_seconds", "Time in the engine's queue.",
     &ModelMetrics::queue},
    {"infe_prefill_seconds", "vllm:request_prefill_time_seconds", "Time to compute a prompt.",
     &ModelMetrics::prefill},
    {"infe_decode_seconds", "vllm:request_decode_time_seconds", "From the first token to the last.",
     &ModelMetrics::decode},
    {nullptr, "vllm:request_inference_time_seconds", "Prefill and decode.",
     &ModelMetrics::inference},
    {"infe_request_prompt_tokens", "vllm:request_prompt_tokens", "Prompt tokens of a request.",
     &ModelMetrics::prompt_tokens},
    {"infe_request_generation_tokens", "vllm:request_generation_tokens",
     "Generated tokens of a request.", &ModelMetrics::completion_tokens},
};

// What was loaded.
void WriteModelFiles(Text& text, const std::vector<OneModel>& models) {
  text.Family("infe_model_load_seconds", "gauge", "Time to load the model.");
  for (const OneModel& m : models)
    text.Sample("infe_model_load_seconds", m.infe_labels, m.load_seconds);
  text.Family("infe_model_info", "gauge", "Always 1; the labels tell of the file that was loaded.");
  for (const OneModel& m : models)
    text.Sample("infe_model_info", fmt::format("{},{}", m.infe_labels, m.file_labels), 1);
  text.Family("infe_model_file_bytes", "gauge",
              "Size of the model's file: about what its weights take in memory.");
  for (const OneModel& m : models)
    text.Sample("infe_model_file_bytes", m.infe_labels, m.file_bytes);
  text.Family("infe_draft_model_file_bytes", "gauge",
              "The same of its draft model, in memory once if that is served too; 0: none.");
  for (const OneModel& m : models)
    text.Sample("infe_draft_model_file_bytes", m.infe_labels, m.draft_bytes);
  text.Family("infe_model_context_tokens", "gauge", "Longest prompt and answer together.");
  for (const OneModel& m : models)
    text.Sample("infe_model_context_tokens", m.infe_labels, m.context_max);
}

// What the gauges under vLLM's names are made of, of all models together.
engine::EngineStats LoadOfAll(const std::vector<OneModel>& models) {
  engine::EngineStats all;
  for (const OneModel& m : models) {
    all.running += m.engine->running;
    all.waiting += m.engine->waiting;
    all.kv_blocks_used += m.engine->kv_blocks_used;
    all.kv_blocks_total += m.engine->kv_blocks_total;
  }
  return all;
}

// REQUIRES: each has an engine.
void WriteEngines(Text& text, const std::vector<OneModel>& models, LoadSeries load) {
  for (const EngineSeries& series : kEngineSeries) {
    if (series.name != nullptr) {
      text.Family(series.name, series.type, series.help);
      for (const OneModel& m : models)
        text.Sample(series.name, m.infe_labels, series.read(*m.engine));
    }
    if (series.alias == nullptr) continue;
    text.Family(series.alias, series.type, series.help);
    const bool is_gauge = std::string_view(series.type) == "gauge";
    if (is_gauge && load == LoadSeries::kOfAllModels && !models.empty()) {
      text.Sample(series.alias, models.front().vllm_labels, series.read(LoadOfAll(models)));
      continue;
    }
    for (const OneModel& m : models)
      text.Sample(series.alias, m.vllm_labels, series.read(*m.engine));
  }
  text.Family("infe_cancelled_total", "counter", "Sequences cancelled, by where they were.");
  for (const OneModel& m : models) {
    const auto stage = [&](const char* name, uint64_t value) {
      text.Sample("infe_cancelled_total", fmt::format("{},stage=\"{}\"", m.infe_labels, name),
                  value);
    };
    stage("queue", m.engine->cancelled_queued);
    stage("prefill", m.engine->cancelled_prefill);
    stage("decode", m.engine->cancelled_decode);
  }
  text.Family("infe_prefill_token_seconds", "gauge",
              "What a token of a prompt takes, as measured lately; 0: not known yet.");
  for (const OneModel& m : models)
    text.Sample("infe_prefill_token_seconds", m.infe_labels, m.engine->prefill_ms_per_token / 1000);
  text.Family("vllm:num_requests_waiting_by_reason", "gauge", "Waiting sequences by what for.");
  for (const OneModel& m : models)
    text.Sample("vllm:num_requests_waiting_by_reason",
                fmt::format("{},reason=\"capacity\"", m.vllm_labels), m.engine->waiting);
  text.Family("vllm:cache_config_info", "gauge", "Always 1; the labels tell the KV memory.");
  for (const OneModel& m : models)
    text.Sample("vllm:cache_config_info",
                fmt::format("{},block_size=\"{}\",num_gpu_blocks=\"{}\"", m.vllm_labels,
                            model::kBlockPositions, m.engine->kv_blocks_total),
                1);
}

// What requests came to, whoever answered.
void WriteAnswers(Text& text, const std::vector<OneModel>& models) {
  for (const HistogramSeries& series : kHistograms) {
    if (series.name != nullptr) {
      text.Family(series.name, "histogram", series.help);
      for (const OneModel& m : models)
        text.Samples(series.name, m.infe_labels, m.metrics->*series.histogram);
    }
    text.Family(series.alias, "histogram", series.help);
    for (const OneModel& m : models)
      text.Samples(series.alias, m.vllm_labels, m.metrics->*series.histogram);
  }
  text.Family("infe_requests_finished_total", "counter", "Generations by how they ended.");
  for (const OneModel& m : models)
    for (size_t i = 0; i < kFinishNames.size(); ++i)
      text.Sample("infe_requests_finished_total",
                  fmt::format("{},finish_reason=\"{}\"", m.infe_labels, kFinishNames[i]),
                  m.metrics->finished[i].load());
  text.Family("vllm:request_success_total", "counter", "Generations by how they ended.");
  for (const OneModel& m : models)
    for (size_t i = 0; i < kFinishNames.size(); ++i) {
      if (i == static_cast<size_t>(Finish::kError)) continue;
      text.Sample("vllm:request_success_total",
                  fmt::format("{},finished_reason=\"{}\"", m.vllm_labels, kFinishNames[i]),
                  m.metrics->finished[i].load());
    }
}

void WriteHttp(Text& text, const ScrapeSources& sources) {
  text.Family("infe_http_requests_total", "counter", "Requests of the public API.");
  for (const auto& [key, count] : sources.metrics.Exchanges())
    text.Sample("infe_http_requests_total",
                fmt::format("method=\"{}\",route=\"{}\",code=\"{}\"", EscapedLabel(key.method),
                            EscapedLabel(key.route), key.status),
                count);
  text.Family("infe_http_request_duration_seconds", "histogram", "First byte to last byte.");
  text.Samples("infe_http_request_duration_seconds", "", sources.metrics.exchange_seconds());
  text.Family("infe_rate_limited_total", "counter", "Requests refused by a key's limit.");
  for (size_t i = 0; i < kLimitNames.size(); ++i)
    text.Sample("infe_rate_limited_total", fmt::format("limit=\"{}\"", kLimitNames[i]),
                sources.metrics.rate_limited(i));
  text.Family("infe_rejected_requests_total", "counter",
              "Requests refused by the server of its own accord, before any work.");
  for (size_t i = 0; i < kRejectionNames.size(); ++i)
    text.Sample("infe_rejected_requests_total", fmt::format("reason=\"{}\"", kRejectionNames[i]),
                sources.metrics.rejected(i));
  text.Family("vllm:admission_rejections_total", "counter", "Requests refused for a full queue.");
  for (const Rejection reason : {Rejection::kQueueRequests, Rejection::kQueueTokens})
    text.Sample("vllm:admission_rejections_total",
                fmt::format("reason=\"{}\"", kRejectionNames[static_cast<size_t>(reason)]),
                sources.metrics.rejected(static_cast<size_t>(reason)));
  text.Family("infe_config_reloads_total", "counter", "Reloads by their outcome.");
  text.Sample("infe_config_reloads_total", "outcome=\"done\"", sources.metrics.reloads());
  text.Sample("infe_config_reloads_total", "outcome=\"refused\"",
              sources.metrics.reload_failures());
  if (sources.http == nullptr) return;
  const http::ServerStats stats = sources.http->stats();
  text.Family("infe_http_connections", "gauge", "Open connections.");
  text.Sample("infe_http_connections", "", sources.http->open_connections());
  text.Family("infe_http_connections_total", "counter", "Connections accepted.");
  text.Sample("infe_http_connections_total", "", stats.connections_accepted);
  text.Family("infe_http_rejected_total", "counter", "What HTTP itself refused.");
  text.Sample("infe_http_rejected_total", "reason=\"connections\"", stats.connections_refused);
  text.Sample("infe_http_rejected_total", "reason=\"recycled\"", stats.connections_recycled);
  text.Sample("infe_http_rejected_total", "reason=\"framing\"", stats.framing_errors);
  text.Sample("infe_http_rejected_total", "reason=\"timeout\"", stats.timeouts);
  text.Sample("infe_http_rejected_total", "reason=\"write_stall\"", stats.write_stalls);
  text.Family("infe_http_body_bytes", "gauge", "Memory of request bodies that are arriving.");
  text.Sample("infe_http_body_bytes", "", stats.bodies_in_flight_bytes);
}

void WriteLedger(Text& text, const store::LedgerStats& ledger) {
  text.Family("infe_ledger_state", "gauge", "1 for the state that the usage ledger is in.");
  using State = store::LedgerState;
  for (const State state : {State::kHealthy, State::kFailing, State::kJournaling})
    text.Sample("infe_ledger_state", fmt::format("state=\"{}\"", store::Name(state)),
                ledger.state == state ? 1 : 0);
  text.Family("infe_ledger_commit_seconds", "histogram", "Time to make a batch of rows durable.");
  uint64_t count = 0;
  for (size_t i = 0; i < ledger.commit_seconds_buckets.size(); ++i) {
    count += ledger.commit_seconds_buckets[i];
    const std::string bound = i < store::LedgerStats::kCommitSeconds.size()
                                  ? fmt::format("{}", store::LedgerStats::kCommitSeconds[i])
                                  : "+Inf";
    text.Sample("infe_ledger_commit_seconds_bucket", fmt::format("le=\"{}\"", bound), count);
  }
  text.Sample("infe_ledger_commit_seconds_sum", "", ledger.commit_seconds_sum);
  text.Sample("infe_ledger_commit_seconds_count", "", count);
  const auto one = [&](const char* name, const char* type, const char* help, uint64_t value) {
    text.Family(name, type, help);
    text.Sample(name, "", value);
  };
  one("infe_ledger_failures_total", "counter", "Commits that failed.", ledger.commit_failures);
  one("infe_ledger_rows_written_total", "counter", "Rows written.", ledger.rows_written);
  one("infe_ledger_recovered_rows_total", "counter",
      "Open rows of dead processes, settled at their checkpoint.", ledger.recovered_rows);
  one("infe_ledger_pending_rows", "gauge", "Rows in memory, not yet durable.", ledger.pending_rows);
  one("infe_ledger_pending_bytes", "gauge", "Memory of these rows.", ledger.pending_bytes);
  one("infe_ledger_open_requests", "gauge", "Requests with an open row.", ledger.open_requests);
  one("infe_ledger_wal_bytes", "gauge", "Size of the write-ahead log.", ledger.wal_bytes);
}

void WritePools(Text& text, const ScrapeSources& sources) {
  std::map<std::string, uint64_t> stuck = {{"engine", 0}, {"io", 0}};
  for (const TaskPool* pool : sources.pools.All()) stuck[pool->name()] = 0;
  for (const Stuck& one : sources.stuck) stuck[one.where] += 1;
  const auto label = [](std::string_view pool) { return fmt::format("pool=\"{}\"", pool); };
  text.Family("infe_stuck_workers", "gauge",
              "Threads that do not come to the end of what they do: /livez is 503.");
  for (const auto& [where, count] : stuck) text.Sample("infe_stuck_workers", label(where), count);
  text.Family("infe_tasks_queued", "gauge", "Tasks that wait for a thread.");
  for (const TaskPool* pool : sources.pools.All())
    text.Sample("infe_tasks_queued", label(pool->name()), pool->queued());
  text.Family("infe_tasks_running", "gauge", "Tasks that run.");
  for (const TaskPool* pool : sources.pools.All())
    text.Sample("infe_tasks_running", label(pool->name()), pool->running().size());
}

// Fields of /proc/self/stat from the third on, as proc(5) counts them.
class ProcessStat {
 public:
  ProcessStat() {
    std::array<char, 1024> buffer;
    const FileDescriptor file(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
    const ssize_t size = file.valid() ? read(file.get(), buffer.data(), buffer.size()) : 0;
    const std::string_view text(buffer.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)));
    const size_t after_name = text.rfind(')');
    if (after_name != std::string_view::npos) fields_ = std::string(text.substr(after_name + 1));
  }
  // 0 when it cannot be read.
  double Field(int n) const {
    size_t at = 0;
    for (int i = 2; i < n && at != std::string::npos; ++i) at = fields_.find(' ', at + (i > 2));
    return at == std::string::npos ? 0 : std::strtod(fields_.c_str() + at, nullptr);
  }

 private:
  std::string fields_;
};

// Unix time of the machine's boot. Never changes while this process lives.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  return 0;
}

// Linux 6.2 and later tell it as the folder's size; with thousands of connections counting takes
// milliseconds.
size_t OpenFiles() {
  struct stat folder{};
  if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0)
    return static_cast<size_t>(folder.st_size);
  std::error_code ec;
  size_t files = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ec);
       !ec && it != std::filesystem::directory_iterator(); it.increment(ec))
    ++files;
  return files;
}

void WriteProcess(Text& text) {
  static const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  static const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  static const double boot = BootTime();
  const ProcessStat process;
  text.Family("process_cpu_seconds_total", "counter", "User and system time.");
  text.Sample("process_cpu_seconds_total", "", (process.Field(14) + process.Field(15)) / ticks);
  text.Family("process_virtual_memory_bytes", "gauge", "Address space.");
  text.Sample("process_virtual_memory_bytes", "", process.Field(23));
  text.Family("process_resident_memory_bytes", "gauge", "Memory in use.");
  text.Sample("process_resident_memory_bytes", "", process.Field(24) * page);
  text.Family("process_threads", "gauge", "Threads.");
  text.Sample("process_threads", "", process.Field(20));
  text.Family("process_start_time_seconds", "gauge", "Unix time of the start.");
  text.Sample("process_start_time_seconds", "", boot + process.Field(22) / ticks);
  text.Family("process_open_fds", "gauge", "Open file descriptors.");
  text.Sample("process_open_fds", "", OpenFiles());
}

}  // namespace

std::string WriteMetrics(const ScrapeSources& sources) {
  std::vector<OneModel> models;
  for (const auto& model : sources.models.All()) {
    const engine::Engine* engine = model->backend().engine();
    const std::string name = EscapedLabel(model->name());
    const answer::ModelFacts& facts = model->backend().facts();
    models.push_back(
        {.engine = engine == nullptr ? std::nullopt : std::optional(engine->stats()),
         .metrics = &sources.metrics.Model(model->name()),
         .load_seconds = model->load_seconds(),
         .infe_labels = fmt::format("model=\"{}\"", name),
         .vllm_labels = fmt::format("model_name=\"{}\",engine=\"0\"", name),
         .file_labels = fmt::format("sha256=\"{}\",architecture=\"{}\",quantization=\"{}\"",
                                    model->file_sha256(), EscapedLabel(facts.architecture),
                                    EscapedLabel(facts.quantisation)),
         .file_bytes = static_cast<uint64_t>(model->installed().size_bytes),
         .draft_bytes = model->draft_bytes(),
         .context_max = model->context_max()});
  }
  std::vector<OneModel> here;
  std::copy_if(models.begin(), models.end(), std::back_inserter(here),
               [](const OneModel& one) { return one.engine.has_value(); });
  Text text(kBytesExpected);
  text.Family("infe_build_info", "gauge", "Always 1; the labels tell.");
  text.Sample("infe_build_info", fmt::format("version=\"{}\"", kVersion), 1);
  text.Family("infe_ready", "gauge", "1 when requests are served.");
  text.Sample("infe_ready", "", sources.ready ? 1 : 0);
  WriteEngines(text, here, sources.load_series);
  WriteAnswers(text, models);
  WriteModelFiles(text, here);
  WriteUpstreams(text, sources.upstreams, std::chrono::steady_clock::now());
  text.Family("infe_grammar_compile_seconds", "histogram",
              "Compiling a schema, regex or grammar that was not in the cache.");
  text.Samples("infe_grammar_compile_seconds", "", sources.grammars.compile_seconds());
  text.Family("infe_grammar_cache_entries", "gauge", "Compiled grammars that are kept.");
  text.Sample("infe_grammar_cache_entries", "", sources.grammars.size());
  WritePools(text, sources);
  WriteHttp(text, sources);
  WriteLedger(text, sources.ledger);
  text.Family("infe_log_dropped_total", "counter", "Access log lines lost to a full queue.");
  text.Sample("infe_log_dropped_total", "", sources.log_lines_dropped);
  WriteProcess(text);
  return text.Take();
}

}  // namespace infe::server
