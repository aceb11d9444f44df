// infe perplexity: how well a model predicts a text; the field's usual way of counting.
#include "model/perplexity.h"

#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "base/cpu_features.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/progress_bar.h"
#include "engine/loader.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model = "infe-pulse";
  std::string file, data_dir, kv_type = "f16";
  uint32_t threads = 0;
  bool json = false;
};

Result<void> Run(const Arguments& a) {
  std::ifstream in(a.file, std::ios::binary);
  if (!in) return NotFound(fmt::format("cannot read {}", a.file));
  const std::string text(std::istreambuf_iterator<char>(in), {});
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(a.model, a.data_dir));
  ThreadPool pool(a.threads != 0 ? a.threads : GetCpuFeatures().cores_allowed);
  pool.KeepCaller();
  engine::LoadOptions options;
  options.kv_type = a.kv_type == "int8" ? kernels::KvType::kInt8 : kernels::KvType::kF16;
  INFE_ASSIGN(const engine::LoadedModel loaded,
              engine::LoadModel(file, pool, kernels::SelectKernels(), options));
  const auto tokens = loaded.tokenizer->Encode(text);
  ProgressBar bar(a.model, a.json);
  model::PerplexityOptions scoring;
  scoring.on_window = [&](uint32_t done, uint32_t total, double) {
    bar.ShowRounds("scoring", done, total);
  };
  INFE_ASSIGN(const model::PerplexityResult result,
              model::Perplexity(*loaded.model, tokens, scoring));
  if (a.json)
    fmt::print("{}\n", Json(Json::Object{{"perplexity", result.perplexity},
                                         {"standard_error", result.standard_error},
                                         {"tokens_scored", static_cast<int64_t>(result.tokens)},
                                         {"windows", static_cast<int64_t>(result.windows)}})
                           .Dump());
  else
    fmt::print(
        "perplexity {:.4f} +- {:.4f} over {} tokens in {} windows of 512, second halves scored\n",
        result.perplexity, result.standard_error, result.tokens, result.windows);
  return {};
}

}  // namespace

void AddPerplexity(CommandLine& line) {
  static Arguments a;
  line.Add("perplexity",
           "Score a text file: windows of 512 tokens, the second half of each counted")
      .Argument("FILE", a.file, "A text file", true)
      .Option("--model", a.model, "Name or GGUF path")
      .Option("--threads", a.threads, "Compute threads; 0: all that this process may use")
      .Option("--kv-type", a.kv_type, "f16 or int8")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--json", a.json, "Print JSON")
      .Run([] {
        if (a.kv_type != "f16" && a.kv_type != "int8")
          return FailUsage(fmt::format("--kv-type is f16 or int8, not \"{}\"", a.kv_type));
        auto done = Run(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
