// infe bench: how fast this machine runs a model, without server or HTTP, beside what the machine
// could do at that moment. Everything is repeated and told as median and range.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "cli/bench_probes.h"
#include "cli/bench_report.h"
#include "cli/bench_speculation.h"
#include "cli/bench_work.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/progress_bar.h"
#include "engine/loader.h"
#include "model/gguf.h"
#include "server/models/read_gguf.h"

namespace infe::cli {
namespace {

// Streams of --sweep, and the prompt that arrives in it.
constexpr uint32_t kSweepStreams[] = {1, 2, 4, 8, 16};
constexpr uint32_t kSweepStreamsMax = 16;
constexpr uint32_t kMixedStreams = 3, kMixedPrompt = 1024;
constexpr uint32_t kMixedChunks[] = {16, 32, 64, 128, 256};

// Bounds of the options: far above any sensible measurement, so that memory and time stay finite.
constexpr uint32_t kStreamsMax = 64, kRepeatMax = 1000, kDecodeMax = 4096, kThreadsMax = 256;

// Writing packed weights takes no longer, or the disk is none to measure on.
constexpr std::chrono::seconds kPackedWait{60};

// What is measured, from --work.
struct WorkList {
  bool prefill = false, decode = false, batched = false, depth = false;
  bool engine = false, speculation = false;
};

struct WorkName {
  std::string_view name;
  bool WorkList::* wanted;
};
constexpr WorkName kWorks[] = {
    {"prefill", &WorkList::prefill}, {"decode", &WorkList::decode},
    {"batched", &WorkList::batched}, {"depth", &WorkList::depth},
    {"engine", &WorkList::engine},   {"speculation", &WorkList::speculation},
};

Result<WorkList> ParseWork(const std::string& text) {
  WorkList work;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string name = text.substr(at, end - at);
    const auto known = std::ranges::find(kWorks, name, &WorkName::name);
    if (known == std::end(kWorks)) {
      return InvalidArgument(fmt::format(
          "--work '{}': a list of prefill, decode, batched, depth, engine and speculation", name));
    }
    work.*known->wanted = true;
    at = end + 1;
  }
  return work;
}

Result<void> CheckBounds(const BenchOptions& a) {
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
Result<void> CheckContext(const BenchOptions& a, const WorkList& list, uint32_t context_length) {
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

// A folder for packed weights that lives as long as this, so that --sweep can tell what a warm
// start with a side file takes.
class PackedFolder {
 public:
  explicit PackedFolder(const BenchOptions& a) : path_(a.packed_cache) {
    if (!path_.empty() || !a.sweep) return;
    std::error_code error;
    path_ = std::filesystem::temp_directory_path(error) / fmt::format("infe-bench-{}", getpid());
    std::filesystem::create_directories(path_, error);
    ours_ = !error;
    if (!ours_) path_.clear();
  }
  ~PackedFolder() {
    std::error_code ignored;
    if (ours_) std::filesystem::remove_all(path_, ignored);
  }
  PackedFolder(const PackedFolder&) = delete;
  PackedFolder& operator=(const PackedFolder&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
  bool ours_ = false;
};

// Whether the folder has packed weights, waiting a while for the model that writes them.
bool WaitForPacked(const std::filesystem::path& folder) {
  const auto end = std::chrono::steady_clock::now() + kPackedWait;
  do {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
      if (entry.path().extension() == ".packed") return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

struct Opened {
  engine::LoadedModel loaded;
  double load_s = 0;
  uint64_t weight_bytes_per_token = 0;
};

// Loads twice: the second time, with the file in the page cache (and its packed weights on disk, if
// there is a folder for them), is a warm start.
Result<Opened> Open(const BenchOptions& a, const WorkList& list, const FoundModel& found,
                    ThreadPool& pool, const kernels::KernelTable& kernels, ProgressBar& bar) {
  engine::LoadOptions options;
  options.on_progress = [&](double fraction) { bar.ShowPart("loading", fraction); };
  options.kv_type = a.kv_type == "int8" ? kernels::KvType::kInt8 : kernels::KvType::kF16;
  options.batch_sequences_max = kStreamsMax;
  const PackedFolder packed(a);
  const auto load = [&]() -> Result<engine::LoadedModel> {
    INFE_ASSIGN(store::ModelFile model, OpenModelFile(found));
    options.packed_cache = {packed.path(), model.sha256};
    INFE_ASSIGN(const model::GgufFile file, server::ReadGguf(std::move(model)));
    return engine::LoadModel(file, pool, kernels, options);
  };
  {
    INFE_ASSIGN(const engine::LoadedModel first, load());
    if (!first.model->Gives(model::Output::kLogits)) {
      return InvalidArgument("the model makes embeddings; what is measured here is how it writes");
    }
    INFE_TRY(CheckContext(a, list, first.model->config().context_length));
    if (!packed.path().empty() && !WaitForPacked(packed.path()))
      return Internal(fmt::format("no packed weights were written to {}", packed.path()));
  }
  Opened opened;
  options.on_progress = {};  // this time it is measured
  const auto start = std::chrono::steady_clock::now();
  INFE_ASSIGN(opened.loaded, load());
  opened.load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // An embedding table of its own is looked up, not read through.
  opened.weight_bytes_per_token = opened.loaded.model->weight_bytes();
  if (!opened.loaded.model->config().tied_head) {
    INFE_ASSIGN(const model::GgufFile file, model::GgufFile::Open(found.installed.path));
    if (const auto* embedding = file.FindTensor("token_embd.weight"); embedding != nullptr)
      opened.weight_bytes_per_token -= embedding->bytes;
  }
  return opened;
}

// One round of everything asked for. The kinds alternate, so that a slow minute of the machine
// falls on all of them.
void Round(const BenchOptions& a, const WorkList& list, model::Model& model, BenchWork& work,
           BenchWork* deep, BenchProbes* probes, BenchReport& report) {
  const auto phases_of = [&](const char* name) {
    if (a.phases) model.SetPhaseTimes(&report.phases[name]);
  };
  if (probes != nullptr) {
    report.read_gb_s.Add(probes->ReadGigabytesPerSecond());
    report.matmul_gmac_s.Add(probes->MatmulGigamacsPerSecond());
  }
  if (list.prefill) {
    phases_of("prefill");
    report.prefill_tok_s.Add(work.Prefill(a.prefill));
  }
  if (list.decode) {
    phases_of("decode");
    report.decode_tok_s.Add(work.Decode(1, 0, a.decode));
  }
  if (list.batched) {
    model.SetPhaseTimes(nullptr);
    work.Fill(a.streams, a.stream_prompt);
    phases_of("batched");
    report.batched_tok_s.Add(work.Decode(a.streams, a.stream_prompt, a.decode));
  }
  if (deep != nullptr) {
    phases_of("depth");
    report.depth_tok_s.Add(deep->Decode(1, a.depth, a.decode));
  }
  model.SetPhaseTimes(nullptr);
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

Result<engine::LoadedModel> OpenDraft(const BenchOptions& a, const tokenizer::Tokenizer& tokenizer,
                                      ThreadPool& pool, const kernels::KernelTable& kernels) {
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(a.draft, a.data_dir));
  INFE_ASSIGN(engine::LoadedModel draft, engine::LoadModel(file, pool, kernels, {}));
  INFE_TRY(engine::CheckSameVocabulary(tokenizer, *draft.tokenizer));
  return draft;
}

Result<void> Run(const BenchOptions& a) {
  INFE_TRY(CheckBounds(a));
  INFE_ASSIGN(const WorkList list, ParseWork(a.work));
  INFE_ASSIGN(const FoundModel found, FindModel(a.model, a.data_dir));
  ThreadPool pool(a.threads != 0 ? a.threads : GetCpuFeatures().cores_allowed);
  pool.KeepCaller();
  const kernels::KernelTable& kernels = kernels::SelectKernels();
  ProgressBar bar(a.model, a.json);
  bar.ShowPart("loading", 0);
  INFE_ASSIGN(Opened opened, Open(a, list, found, pool, kernels, bar));
  model::Model& model = *opened.loaded.model;

  BenchReport report;
  report.isa = Name(kernels.isa);
  report.threads = pool.size();
  report.load_s = opened.load_s;
  report.weight_bytes_per_token = opened.weight_bytes_per_token;
  report.mixed_streams = kMixedStreams;
  report.mixed_prompt = kMixedPrompt;
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
  engine::LoadedModel draft;
  if (!a.draft.empty()) {
    INFE_ASSIGN(draft, OpenDraft(a, *opened.loaded.tokenizer, pool, kernels));
  }
  std::optional<BenchSpeculation> through_engine;
  if (list.engine || list.speculation) {
    INFE_ASSIGN(through_engine,
                BenchSpeculation::Start(opened.loaded, draft.model.get(), pool, a.decode));
  }
  for (uint32_t round = 0; round < a.repeat; ++round) {
    bar.ShowRounds("measuring", round, a.repeat);
    Round(a, list, model, work, deep.get(), probes.get(), report);
    if (list.engine) INFE_TRY(through_engine->CostRound());
    if (list.speculation) INFE_TRY(through_engine->GainRound());
  }
  if (through_engine) {
    report.engine = through_engine->costs();
    report.speculation = through_engine->gains();
  }
  bar.ShowRounds("measuring", a.repeat, a.repeat);
  if (a.json)
    fmt::print("{}\n", ReportJson(a, model.config(), report));
  else
    PrintReport(a, model.config(), report);
  return {};
}

}  // namespace

void AddBench(CommandLine& line) {
  static BenchOptions a;
  line.Add("bench", "Measure prefill, decode and batched decode on this machine")
      .Option("--model", a.model, "Name or GGUF path")
      .Option("--threads", a.threads, "Compute threads; 0: all that this process may use")
      .Option("--work", a.work,
              "What to measure, of prefill, decode, batched, depth, and through the engine: engine "
              "(what it costs), speculation (what drafts bring)")
      .Option("--draft", a.draft,
              "With speculation: name or GGUF path of a small model of the same vocabulary that "
              "drafts")
      .Option("--prefill", a.prefill, "Tokens of the prompt")
      .Option("--decode", a.decode, "Tokens that each stream decodes")
      .Option("--streams", a.streams, "Streams of batched decode")
      .Option("--stream-prompt", a.stream_prompt, "Positions before batched decode starts")
      .Option("--depth", a.depth, "Positions before decode at depth starts")
      .Option("--repeat", a.repeat, "Rounds; each measures everything once")
      .Option("--kv-type", a.kv_type, "f16 or int8")
      .Option("--packed-cache", a.packed_cache,
              "Folder of packed weights for the warm start, as servers have one; default: none, "
              "with --sweep one for the time of the run")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--sweep", a.sweep,
            "Also 1, 2, 4, 8 and 16 streams, and a prompt arriving beside three streams")
      .Flag("--phases", a.phases, "Also where the time of each kind of step goes")
      .Flag("--no-probes", a.no_probes, "Skip the machine's read and product probes")
      .Flag("--json", a.json, "Print JSON")
      .Footer(
          "Runs the model in this process: no server, no HTTP; no scheduler either, but for the "
          "works\n"
          "engine and speculation. On a busy machine\n"
          "look at the best of several rounds, or compare within one run: docs/performance.md.")
      .Run([] {
        auto done = Run(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
