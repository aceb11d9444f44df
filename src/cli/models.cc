// infe ls and infe rm: which models are here; remove one.
#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "store/model_file.h"
#include "store/model_pull.h"
#include "store/pulled_models.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::vector<std::string> names;
  std::string data_dir;
  bool json = false, all = false;
};

Result<void> List(const Arguments& arguments) {
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(arguments.data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  const std::vector<store::InstalledModel> installed = registry.Installed();
  if (arguments.json) {
    Json models = Json::MakeArray();
    for (const auto& m : installed) {
      const auto file = store::OpenHashed(dir, m.path, {});
      Json aliases = Json::MakeArray();
      for (const std::string& alias : m.aliases) aliases.push_back(alias);
      models.push_back(Json::Object{{"name", m.name},
                                    {"path", m.path},
                                    {"sha256", file ? Json(file->sha256) : Json()},
                                    {"registry_sha256", m.sha256.empty() ? Json() : Json(m.sha256)},
                                    {"size_bytes", m.size_bytes},
                                    {"title", m.title},
                                    {"licence", m.licence},
                                    {"aliases", aliases}});
    }
    fmt::print("{}\n", Json(Json::Object{{"models", models}}).Dump());
    return {};
  }
  if (installed.empty() && !arguments.all) {
    fmt::print("No models here yet. Get one with: infe pull infe-pulse\n");
    return {};
  }
  for (const auto& m : installed) {
    fmt::print("{:<16} {:>8}  {}  ({})\n", m.name, HumanBytes(m.size_bytes), m.title, m.licence);
    if (const auto file = store::OpenModelFile(dir, m, {}); !file)
      fmt::print("{:<16} {:>8}  {}\n", "", "LOOK", file.error().message);
  }
  if (arguments.all) {
    for (const store::ModelSpec& spec : registry.models()) {
      const bool here = std::any_of(installed.begin(), installed.end(),
                                    [&](const auto& m) { return m.name == spec.name; });
      if (!here)
        fmt::print("{:<16} {:>8}  {}  ({}; not here)\n", spec.name,
                   spec.bytes > 0 ? HumanBytes(spec.bytes) : "-", spec.title, spec.licence);
    }
  }
  return {};
}

Result<void> Remove(const Arguments& arguments) {
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(arguments.data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  for (const std::string& name : arguments.names) {
    const store::ModelSpec* spec = registry.Find(name);
    if (spec == nullptr) return NotFound(fmt::format("no model is called {}; see: infe ls", name));
    INFE_TRY(store::RemoveModel(registry, *spec));
    INFE_TRY(store::ForgetPulled(dir, spec->name));
    fmt::print("{}: removed\n", spec->name);
  }
  return {};
}

}  // namespace

void AddLs(CommandLine& line) {
  static Arguments a;
  line.Add("ls", "List the models on this machine")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--all", a.all, "Also models that could be pulled")
      .Flag("--json", a.json, "Print {\"models\":[{name,path,sha256,size_bytes,...}]}")
      .Run([] {
        auto done = List(a);
        return done ? kExitDone : Fail(done.error());
      });
}

void AddRm(CommandLine& line) {
  static Arguments a;
  line.Add("rm", "Remove models from this machine")
      .Arguments("NAME", a.names, "Models to remove")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Run([] {
        auto done = Remove(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
