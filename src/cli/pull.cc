// infe pull: bring models onto this machine.
#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "server/config.h"
#include "store/model_pull.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::vector<std::string> names;
  std::string data_dir;
  std::string bytes_max;
  bool quiet = false, offline = false, json = false, force = false;
};

std::string KnownNames(const store::ModelRegistry& registry) {
  std::string names;
  for (const store::ModelSpec& spec : registry.models())
    names += (names.empty() ? "" : ", ") + spec.name;
  return names;
}

Result<void> PullAll(const Arguments& arguments) {
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(arguments.data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  uint64_t bytes_max = 0;
  if (!arguments.bytes_max.empty()) {
    INFE_ASSIGN(bytes_max, server::ParseBytes(arguments.bytes_max));
  }
  Json models = Json::MakeArray();
  for (const std::string& name : arguments.names) {
    const store::ModelSpec* spec = registry.Find(name);
    if (spec == nullptr)
      return NotFound(
          fmt::format("no model is called {}; the registry has: {}", name, KnownNames(registry)));
    store::PullOptions options;
    options.offline = arguments.offline;
    options.force = arguments.force;
    options.bytes_max = bytes_max;
    options.cancelled = Interrupted;
    Result<store::PulledModel> pulled = Internal("");
    {
      ProgressBar bar(spec->name, arguments.quiet || arguments.json);
      options.on_progress = [&](const store::PullProgress& p) {
        bar.Show(p.step, p.done_bytes, p.total_bytes);
      };
      options.on_notice = [&](const std::string& sentence) { bar.Tell(sentence); };
      pulled = store::PullModel(registry, *spec, options);
    }
    if (!pulled) return std::move(pulled).error();
    const store::InstalledModel& model = pulled->model;
    if (arguments.json) {
      models.push_back(Json::Object{{"name", model.name},
                                    {"path", model.path},
                                    {"sha256", model.sha256},
                                    {"size_bytes", model.size_bytes},
                                    {"already_there", pulled->already_there}});
    } else if (!arguments.quiet) {
      fmt::print("{}: {} ({}, {})\n", model.name, pulled->already_there ? "already here" : "done",
                 HumanBytes(model.size_bytes), model.licence);
    }
  }
  if (arguments.json) fmt::print("{}\n", Json(Json::Object{{"models", models}}).Dump());
  return {};
}

}  // namespace

void AddPull(CommandLine& line) {
  static Arguments a;
  line.Add("pull", "Download models by name, verified by SHA-256")
      .Arguments("NAME", a.names, "Models of the registry (infe ls --all lists them)")
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
