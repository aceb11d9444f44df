// infe pull: bring models onto this machine.
#include <optional>

#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/runs_here.h"
#include "server/config/config.h"
#include "store/model_pull.h"
#include "store/reference_pull.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::vector<std::string> names;
  std::string data_dir;
  std::string bytes_max, as;
  bool quiet = false, offline = false, json = false, force = false;
};

std::string KnownNames(const store::ModelRegistry& registry) {
  std::string names;
  for (const store::ModelSpec& spec : registry.models())
    names += (names.empty() ? "" : ", ") + spec.name;
  return names;
}

struct Wanted {
  const store::ModelSpec* spec = nullptr;               // an entry of the registry
  std::optional<store::ModelReference> reference = {};  // where no digest is pinned yet
};

Result<Wanted> Find(const store::ModelRegistry& registry, const std::string& name,
                    const Arguments& arguments) {
  Wanted wanted;
  wanted.spec = registry.Find(name);
  if (wanted.spec != nullptr && !arguments.as.empty())
    return InvalidArgument(fmt::format(
        "{} has its name from the registry, and --name cannot change it; an alias may be added in "
        "models.toml",
        wanted.spec->name));
  const bool is_pinned =
      wanted.spec != nullptr && !wanted.spec->sources.empty() && !arguments.force;
  if (is_pinned || (wanted.spec != nullptr && wanted.spec->reference.empty())) return wanted;
  INFE_ASSIGN(wanted.reference,
              store::ParseModelReference(wanted.spec != nullptr ? wanted.spec->reference : name));
  if (wanted.reference) return wanted;
  if (wanted.spec != nullptr)
    return InvalidArgument(
        fmt::format("the entry of {} has {} as its reference, which is a name and nothing to fetch",
                    name, wanted.spec->reference));
  return NotFound(fmt::format(
      "no model is called {}; the registry has: {}. A model of Hugging Face is hf:ORG/REPO:QUANT",
      name, KnownNames(registry)));
}

Result<store::PulledModel> PullOne(const store::ModelRegistry& registry, const std::string& name,
                                   const Arguments& arguments, store::PullOptions options) {
  INFE_ASSIGN(const Wanted wanted, Find(registry, name, arguments));
  ProgressBar bar(wanted.spec != nullptr ? wanted.spec->name : name,
                  arguments.quiet || arguments.json);
  options.on_progress = [&](const store::PullProgress& p) {
    bar.Show(p.step, p.done_bytes, p.total_bytes);
  };
  options.on_notice = [&](const std::string& sentence) { bar.Tell(sentence); };
  if (!wanted.reference) return store::PullModel(registry, *wanted.spec, options);
  store::ReferencePull pull;
  pull.reference = *wanted.reference;
  pull.name = arguments.as;
  if (wanted.spec != nullptr) pull.entry = *wanted.spec;
  pull.check_architecture = CheckArchitecture;
  return store::PullReference(registry, pull, options);
}

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
    INFE_ASSIGN(const store::PulledModel pulled, PullOne(registry, name, arguments, options));
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
                 "hf:ORG/REPO/FILE.gguf of Hugging Face, a URL, or a file")
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
