// infe pull: bring models onto this machine.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/pull_model.h"
#include "server/config/config.h"
#include "store/data_dir.h"
#include "store/model_pull.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::vector<std::string> names;
  std::string data_dir;
  std::string bytes_max, as;
  bool quiet = false, offline = false, json = false, force = false;
};

Result<void> PullAll(const Arguments& arguments) {
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(arguments.data_dir));
  if (!arguments.as.empty() && arguments.names.size() > 1)
    return InvalidArgument("--name names one model; pull the others without it");
  store::PullOptions options;
  if (!arguments.bytes_max.empty()) {
    INFE_ASSIGN(options.bytes_max, server::ParseBytes(arguments.bytes_max));
  }
  options.offline = arguments.offline;
  options.force = arguments.force;
  options.cancelled = Interrupted;
  Json models = Json::MakeArray();
  for (const std::string& name : arguments.names) {
    // Anew for each: what was pulled is in it.
    INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
    INFE_ASSIGN(
        const store::PulledModel pulled,
        PullOne(registry, {name, arguments.as, arguments.quiet || arguments.json}, options));
    const store::InstalledModel& model = pulled.model;
    if (arguments.json) {
      models.push_back(Json::Object{{"name", model.name},
                                    {"path", model.path},
                                    {"sha256", model.sha256},
                                    {"size_bytes", model.size_bytes},
                                    {"already_there", pulled.already_there}});
    } else if (!arguments.quiet) {
      fmt::print("{}: {} ({}{}{})\n", model.name, pulled.already_there ? "already here" : "done",
                 HumanBytes(model.size_bytes), model.licence.empty() ? "" : ", ", model.licence);
    }
  }
  if (arguments.json) fmt::print("{}\n", Json(Json::Object{{"models", models}}).Dump());
  return {};
}

}  // namespace

void AddPull(CommandLine& line) {
  static Arguments a;
  line.Add("pull", "Download models, verified by SHA-256")
      .Arguments("NAME", a.names,
                 "Models of the registry (infe ls --all lists them), hf:ORG/REPO[:QUANT] or "
                 "hf:ORG/REPO/FILE.gguf of Hugging Face, a URL, or a file",
                 true)
      .Option("--name", a.as, "What a model that no registry names is to be called here")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("-q,--quiet", a.quiet, "No progress, no result lines")
      .Option("--max-bytes", a.bytes_max, "Take no file larger than this, 2GiB say; 0: 64 GiB")
      .Flag("--force", a.force, "Fetch it although it is there")
      .Flag("--offline", a.offline, "Never open a socket: check what is here")
      .Flag("--json", a.json, "Print the result as JSON")
      .Run([] {
        WatchInterrupts();
        auto done = PullAll(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
