// infe bench: how fast this machine runs a model, without server or HTTP, beside what the machine
// could do at that moment. Everything is repeated and told as median and range.
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/cpu_features.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "cli/bench_probes.h"
#include "cli/bench_series.h"
#include "cli/bench_work.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/progress_bar.h"
#include "engine/loader.h"
#include "model/gguf.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model = "infe-pulse";
  std::string data_dir, packed_cache, kv_type = "f16", work = "prefill,decode,batched,depth";
  uint32_t threads = 0;
  uint32_t prefill = 512, decode = 64, streams = 8, stream_prompt = 64, depth = 2048, repeat = 3;
  bool sweep = false, no_probes = false, json = false;
};

// Streams of --sweep, and the prompt that arrives in it.
constexpr uint32_t kSweepStreams[] = {1, 2, 4, 8, 16};
constexpr uint32_t kSweepStreamsMax = 16;
constexpr uint32_t kMixedStreams = 3, kMixedPrompt = 1024;
constexpr uint32_t kMixedChunks[] = {16, 32, 64, 128, 256};

// Bounds of the options: far above any sensible measurement, so that memory and time stay finite.
constexpr uint32_t kStreamsMax = 64, kRepeatMax = 1000, kDecodeMax = 4096, kThreadsMax = 256;

// What is measured, from --work.
struct WorkList {
  bool prefill = false, decode = false, batched = false, depth = false;
};

struct MixedSeries {
  Series prefill_tok_s, decode_tok_s, worst_gap_ms;
};

struct Report {
  std::string isa;
  uint32_t threads = 0;
  double load_s = 0;
  uint64_t weight_bytes_per_token = 0;  // what a decode step reads of the weights
  Series prefill_tok_s, decode_tok_s, batched_tok_s, depth_tok_s, read_gb_s, matmul_gmac_s;
  std::map<uint32_t, Series> sweep_tok_s;  // by number of streams
  std::map<uint32_t, MixedSeries> mixed;   // by rows of a chunk

  double RooflinePercent() const {
    const double limit = read_gb_s.Median() * 1e9 / static_cast<double>(weight_bytes_per_token);
    return limit > 0 ? 100 * decode_tok_s.Median() / limit : 0;
  }
};

Result<WorkList> ParseWork(const std::string& text) {
  WorkList work;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string name = text.substr(at, end - at);
    if (name == "prefill")
      work.prefill = true;
    else if (name == "decode")
      work.decode = true;
    else if (name == "batched")
      work.batched = true;
    else if (name == "depth")
      work.depth = true;
    else
      return InvalidArgument(
          fmt::format("--work '{}': a list of prefill, decode, batched and depth", name));
    at = end + 1;
  }
  return work;
}

Result<void> CheckBounds(const Arguments& a) {
  const auto within = [](const char* name, uint32_t value, uint32_t min,
                         uint32_t max) -> Result<void> {
    if (value >= min && value <= max) return {};
    return InvalidArgument(fmt::format("{} {}: from {} to {}", name, value, min, max));
  };
  INFE_TRY(within("--threads", a.threads, 0, kThreadsMax));
  INFE_TRY(within("--streams", a.streams, 1, kStreamsMax));
  INFE_TRY(within("--repeat", a.repeat, 1, kRepeatMax));
  INFE_TRY(within("--decode", a.decode, 1, kDecodeMax));
  INFE_TRY(within("--prefill", a.prefill, 1, UINT32_MAX));
  if (a.kv_type != "f16" && a.kv_type != "int8")
    return InvalidArgument(fmt::format("--kv-type {}: f16 or int8", a.kv_type));
  return {};
}

// The context must hold the longest sequence of the work.
Result<void> CheckContext(const Arguments& a, const WorkList& list, uint32_t context_length) {
  uint64_t positions = 0;
  const auto need = [&](bool wanted, uint64_t prompt, uint64_t more) {
    if (wanted) positions = std::max(positions, prompt + more);
  };
  need(list.prefill, a.prefill, 0);
  need(list.decode, 0, a.decode);
  need(list.batched, a.stream_prompt, a.decode);
  need(list.depth, a.depth, a.decode);
  need(a.sweep, a.stream_prompt, std::max(a.decode, kMixedPrompt));
  if (positions <= context_length) return {};
  return InvalidArgument(fmt::format("{} positions do not fit into the model's context of {}",
                                     positions, context_length));
}

struct Opened {
  engine::LoadedModel loaded;
  double load_s = 0;
  uint64_t weight_bytes_per_token = 0;
};

// Loads twice: the second time, with the file in the page cache (and its packed weights on disk, if
// there is a folder for them), is a warm start.
Result<Opened> Open(const Arguments& a, const WorkList& list, const std::string& path,
                    ThreadPool& pool, const kernels::KernelTable& kernels) {
  engine::LoadOptions options;
  options.kv_type = a.kv_type == "int8" ? kernels::KvType::kInt8 : kernels::KvType::kF16;
  options.batch_sequences_max = kStreamsMax;
  options.packed_cache_dir = a.packed_cache;
  {
    INFE_ASSIGN(const engine::LoadedModel first, engine::LoadModel(path, pool, kernels, options));
    INFE_TRY(CheckContext(a, list, first.model->config().context_length));
  }
  Opened opened;
  const auto start = std::chrono::steady_clock::now();
  INFE_ASSIGN(opened.loaded, engine::LoadModel(path, pool, kernels, options));
  opened.load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // An embedding table of its own is looked up, not read through.
  opened.weight_bytes_per_token = opened.loaded.model->weight_bytes();
  if (!opened.loaded.model->config().tied_head) {
    INFE_ASSIGN(const model::GgufFile file, model::GgufFile::Open(path));
    if (const auto* embedding = file.FindTensor("token_embd.weight"); embedding != nullptr)
      opened.weight_bytes_per_token -= embedding->bytes.size();
  }
  return opened;
}

// One round of everything asked for. The kinds alternate, so that a slow minute of the machine
// falls on all of them.
void Round(const Arguments& a, const WorkList& list, BenchWork& work, BenchWork* deep,
           BenchProbes* probes, Report& report) {
  if (probes != nullptr) {
    report.read_gb_s.Add(probes->ReadGigabytesPerSecond());
    report.matmul_gmac_s.Add(probes->MatmulGigamacsPerSecond());
  }
  if (list.prefill) report.prefill_tok_s.Add(work.Prefill(a.prefill));
  if (list.decode) report.decode_tok_s.Add(work.Decode(1, 0, a.decode));
  if (list.batched) {
    work.Fill(a.streams, a.stream_prompt);
    report.batched_tok_s.Add(work.Decode(a.streams, a.stream_prompt, a.decode));
  }
  if (deep != nullptr) report.depth_tok_s.Add(deep->Decode(1, a.depth, a.decode));
  if (!a.sweep) return;
  work.Fill(kSweepStreamsMax, a.stream_prompt);
  for (const uint32_t streams : kSweepStreams)
    report.sweep_tok_s[streams].Add(work.Decode(streams, a.stream_prompt, a.decode));
  for (const uint32_t chunk : kMixedChunks) {
    const MixedResult mixed = work.Mixed(kMixedStreams, a.stream_prompt, kMixedPrompt, chunk);
    MixedSeries& series = report.mixed[chunk];
    series.prefill_tok_s.Add(mixed.prefill_tok_s);
    series.decode_tok_s.Add(mixed.decode_tok_s);
    series.worst_gap_ms.Add(mixed.worst_gap_ms);
  }
}

Json ToJson(const Series& series) {
  return Json(
      Json::Object{{"median", series.Median()}, {"min", series.Min()}, {"max", series.Max()}});
}

Json ToJson(const Arguments& a, const model::ModelConfig& config, const Report& report) {
  const auto number = [](uint64_t n) { return static_cast<int64_t>(n); };
  Json::Object out{
      {"model", a.model},
      {"architecture", config.architecture},
      {"quantisation", config.quantisation},
      {"cpu", GetCpuFeatures().model_name},
      {"kernels", report.isa},
      {"threads", number(report.threads)},
      {"kv_type", a.kv_type},
      {"repeat", number(a.repeat)},
      {"prefill", number(a.prefill)},
      {"decode", number(a.decode)},
      {"streams", number(a.streams)},
      {"stream_prompt", number(a.stream_prompt)},
      {"depth", number(a.depth)},
      {"load_s", report.load_s},
      {"weight_bytes_per_token", number(report.weight_bytes_per_token)},
  };
  const auto add = [&](const char* name, const Series& series) {
    if (!series.empty()) out.push_back({name, ToJson(series)});
  };
  add("prefill_tok_s", report.prefill_tok_s);
  add("decode_tok_s", report.decode_tok_s);
  add("batched_tok_s", report.batched_tok_s);
  add("depth_tok_s", report.depth_tok_s);
  add("read_gb_s", report.read_gb_s);
  add("matmul_gmac_s", report.matmul_gmac_s);
  if (report.RooflinePercent() > 0) out.push_back({"roofline_pct", report.RooflinePercent()});
  if (a.sweep) {
    Json::Array sweep, mixed;
    for (const auto& [streams, series] : report.sweep_tok_s)
      sweep.push_back(Json(Json::Object{{"streams", number(streams)}, {"tok_s", ToJson(series)}}));
    for (const auto& [chunk, series] : report.mixed)
      mixed.push_back(Json(Json::Object{{"streams", number(kMixedStreams)},
                                        {"prompt", number(kMixedPrompt)},
                                        {"chunk", number(chunk)},
                                        {"prefill_tok_s", ToJson(series.prefill_tok_s)},
                                        {"decode_tok_s", ToJson(series.decode_tok_s)},
                                        {"worst_gap_ms", ToJson(series.worst_gap_ms)}}));
    out.push_back({"sweep", Json(std::move(sweep))});
    out.push_back({"mixed", Json(std::move(mixed))});
  }
  return Json(std::move(out));
}

void PrintRow(const std::string& name, const Series& series, const char* unit) {
  if (series.empty()) return;
  fmt::print("  {:<34}{:>9.1f}   {:>8.1f} .. {:<8.1f} {}\n", name, series.Median(), series.Min(),
             series.Max(), unit);
}

void Print(const Arguments& a, const model::ModelConfig& config, const Report& report) {
  fmt::print("{} ({}, {}), {} kernels, {} threads, {} KV, on {}\n", a.model, config.architecture,
             config.quantisation, report.isa, report.threads, a.kv_type,
             GetCpuFeatures().model_name);
  fmt::print("  {:<34}{:>9}   {:>8} .. {:<8} of {}\n", "", "median", "min", "max", a.repeat);
  PrintRow(fmt::format("prefill, {} tokens", a.prefill), report.prefill_tok_s, "tok/s");
  PrintRow("decode, one stream", report.decode_tok_s, "tok/s");
  PrintRow(fmt::format("decode, {} streams together", a.streams), report.batched_tok_s, "tok/s");
  PrintRow(fmt::format("decode at depth {}", a.depth), report.depth_tok_s, "tok/s");
  for (const auto& [streams, series] : report.sweep_tok_s)
    PrintRow(fmt::format("sweep: decode, {} streams", streams), series, "tok/s");
  for (const auto& [chunk, series] : report.mixed) {
    PrintRow(fmt::format("{} streams + prompt by {}: prompt", kMixedStreams, chunk),
             series.prefill_tok_s, "tok/s");
    PrintRow(fmt::format("{} streams + prompt by {}: streams", kMixedStreams, chunk),
             series.decode_tok_s, "tok/s");
    PrintRow(fmt::format("{} streams + prompt by {}: worst gap", kMixedStreams, chunk),
             series.worst_gap_ms, "ms");
  }
  PrintRow("probe: memory read", report.read_gb_s, "GB/s");
  PrintRow("probe: product, 64 rows, Q4_0", report.matmul_gmac_s, "GMAC/s");
  fmt::print("  {:<34}{:>9.2f}   s\n", "load, warm", report.load_s);
  if (report.RooflinePercent() > 0)
    fmt::print("  one stream reads {:.1f} MB of weights a token: {:.0f}% of the memory's speed\n",
               static_cast<double>(report.weight_bytes_per_token) / 1e6, report.RooflinePercent());
}

Result<void> Run(const Arguments& a) {
  INFE_TRY(CheckBounds(a));
  INFE_ASSIGN(const WorkList list, ParseWork(a.work));
  INFE_ASSIGN(const std::string path, FindModelFile(a.model, a.data_dir));
  ThreadPool pool(a.threads != 0 ? a.threads : GetCpuFeatures().cores_allowed);
  const kernels::KernelTable& kernels = kernels::SelectKernels();
  ProgressBar bar(a.model, a.json);
  bar.Show("loading", 0, a.repeat);
  INFE_ASSIGN(Opened opened, Open(a, list, path, pool, kernels));
  model::Model& model = *opened.loaded.model;

  Report report;
  report.isa = Name(kernels.isa);
  report.threads = pool.size();
  report.load_s = opened.load_s;
  report.weight_bytes_per_token = opened.weight_bytes_per_token;
  std::unique_ptr<BenchProbes> probes;
  if (!a.no_probes) probes = std::make_unique<BenchProbes>(pool, kernels);
  uint32_t streams = list.batched ? a.streams : 1, positions = a.decode;
  if (list.prefill) positions = std::max(positions, a.prefill);
  if (list.batched) positions = std::max(positions, a.stream_prompt + a.decode);
  if (a.sweep) {
    streams = std::max(streams, kSweepStreamsMax);
    positions = std::max(positions, a.stream_prompt + std::max(a.decode, kMixedPrompt));
  }
  BenchWork work(model, kernels, streams, positions);
  std::unique_ptr<BenchWork> deep;
  if (list.depth) {
    deep = std::make_unique<BenchWork>(model, kernels, 1, a.depth + a.decode);
    deep->Fill(1, a.depth);
  }
  work.Decode(1, 0, 1);  // one warm-up step of each kind
  if (list.prefill) work.Prefill(std::min(a.prefill, 64u));
  for (uint32_t round = 0; round < a.repeat; ++round) {
    bar.Show("measuring", round, a.repeat);
    Round(a, list, work, deep.get(), probes.get(), report);
  }
  bar.Show("measuring", a.repeat, a.repeat);
  if (a.json)
    fmt::print("{}\n", ToJson(a, model.config(), report).Dump());
  else
    Print(a, model.config(), report);
  return {};
}

}  // namespace

void AddBench(CommandLine& line) {
  static Arguments a;
  line.Add("bench", "Measure prefill, decode and batched decode on this machine")
      .Option("--model", a.model, "Name or GGUF path")
      .Option("--threads", a.threads, "Compute threads; 0: all that this process may use")
      .Option("--work", a.work, "What to measure, of prefill, decode, batched and depth")
      .Option("--prefill", a.prefill, "Tokens of the prompt")
      .Option("--decode", a.decode, "Tokens that each stream decodes")
      .Option("--streams", a.streams, "Streams of batched decode")
      .Option("--stream-prompt", a.stream_prompt, "Positions before batched decode starts")
      .Option("--depth", a.depth, "Positions before decode at depth starts")
      .Option("--repeat", a.repeat, "Rounds; each measures everything once")
      .Option("--kv-type", a.kv_type, "f16 or int8")
      .Option("--packed-cache", a.packed_cache,
              "Folder of packed weights for the warm start, as servers have one; default: none")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--sweep", a.sweep,
            "Also 1, 2, 4, 8 and 16 streams, and a prompt arriving beside three streams")
      .Flag("--no-probes", a.no_probes, "Skip the machine's read and product probes")
      .Flag("--json", a.json, "Print JSON")
      .Footer(
          "Runs the engine in this process: no server, no scheduler, no HTTP. On a busy machine\n"
          "look at the best of several rounds, or compare within one run: docs/performance.md.")
      .Run([] {
        auto done = Run(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
