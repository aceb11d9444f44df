// infe ls and infe rm: which models are here; remove one.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/runs_here.h"
#include "store/model_file.h"
#include "store/model_pull.h"
#include "store/pulled_models.h"

namespace infe::cli {
namespace {

// Of a name in a list, unless there are longer ones.
constexpr size_t kNameWidth = 16;

struct Arguments {
  std::vector<std::string> names;
  std::string data_dir;
  bool json = false, all = false;
};

// What speaks against a model that is not here yet; empty: nothing that its entry would tell.
std::string WhyNotToPull(const store::ModelSpec& spec) {
  if (!spec.architecture.empty())
    if (const auto runs = CheckArchitecture(spec.architecture); !runs) return runs.error().message;
  const uint64_t memory = MachineMemoryBytes();
  if (spec.bytes > 0 && memory > 0 && ServingBytes(spec.bytes) > memory)
    return fmt::format("this machine has {} of memory", HumanBytes(memory));
  return {};
}

bool IsHere(const std::vector<store::InstalledModel>& installed, const store::ModelSpec& spec) {
  return std::any_of(installed.begin(), installed.end(),
                     [&](const auto& model) { return model.name == spec.name; });
}

std::vector<const store::ModelSpec*> NotHere(const store::ModelRegistry& registry,
                                             const std::vector<store::InstalledModel>& installed) {
  std::vector<const store::ModelSpec*> missing;
  for (const store::ModelSpec& spec : registry.models())
    if (!IsHere(installed, spec)) missing.push_back(&spec);
  return missing;
}

Json InstalledJson(const store::DataDir& dir, const store::InstalledModel& m) {
  const auto file = store::OpenHashed(dir, m.path, {});
  Json aliases = Json::MakeArray();
  for (const std::string& alias : m.aliases) aliases.push_back(alias);
  return Json::Object{{"name", m.name},
                      {"path", m.path},
                      {"sha256", file ? Json(file->sha256) : Json()},
                      {"registry_sha256", m.sha256.empty() ? Json() : Json(m.sha256)},
                      {"size_bytes", m.size_bytes},
                      {"title", m.title},
                      {"licence", m.licence},
                      {"aliases", aliases}};
}

Json AvailableJson(const store::ModelSpec& spec) {
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  return Json::Object{{"name", spec.name},
                      {"title", spec.title},
                      {"licence", spec.licence},
                      {"size_bytes", spec.bytes > 0 ? Json(spec.bytes) : Json()},
                      {"memory_bytes", spec.bytes > 0 ? Json(ServingBytes(spec.bytes)) : Json()},
                      {"architecture", text(spec.architecture)},
                      {"reference", text(spec.reference)},
                      {"why_not", text(WhyNotToPull(spec))}};
}

void PrintJson(const Arguments& arguments, const store::ModelRegistry& registry,
               const std::vector<store::InstalledModel>& installed) {
  Json models = Json::MakeArray();
  for (const auto& model : installed) models.push_back(InstalledJson(registry.dir(), model));
  Json::Object answer{{"models", models}};
  if (arguments.all) {
    Json available = Json::MakeArray();
    for (const store::ModelSpec* spec : NotHere(registry, installed))
      available.push_back(AvailableJson(*spec));
    answer.emplace_back("available", available);
  }
  fmt::print("{}\n", Json(answer).Dump());
}

void PrintAvailable(const store::ModelSpec& spec, size_t width) {
  const std::string why_not = WhyNotToPull(spec);
  fmt::print("{:<{}} {:>8}  {}  ({}; not here{}{}{})\n", spec.name, width,
             spec.bytes > 0 ? HumanBytes(spec.bytes) : "-", spec.title, spec.licence,
             spec.bytes > 0
                 ? fmt::format(", takes about {} of memory", HumanBytes(ServingBytes(spec.bytes)))
                 : "",
             why_not.empty() ? "" : "; ", why_not);
}

Result<void> List(const Arguments& arguments) {
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(arguments.data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  const std::vector<store::InstalledModel> installed = registry.Installed();
  if (arguments.json) {
    PrintJson(arguments, registry, installed);
    return {};
  }
  if (installed.empty() && !arguments.all) {
    fmt::print("No models here yet. Get one with: infe pull infe-pulse\n");
    return {};
  }
  size_t width = kNameWidth;
  for (const store::ModelSpec& spec : registry.models())
    if (arguments.all || IsHere(installed, spec)) width = std::max(width, spec.name.size());
  for (const auto& m : installed) {
    fmt::print("{:<{}} {:>8}  {}  ({})\n", m.name, width, HumanBytes(m.size_bytes), m.title,
               m.licence);
    if (const auto file = store::OpenModelFile(dir, m, {}); !file)
      fmt::print("{:<{}} {:>8}  {}\n", "", width, "LOOK", file.error().message);
  }
  if (!arguments.all) return {};
  for (const store::ModelSpec* spec : NotHere(registry, installed)) PrintAvailable(*spec, width);
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
      .Flag("--all", a.all, "Also models that could be pulled, with the memory that they take")
      .Flag("--json", a.json, "Print {\"models\":[{name,path,sha256,size_bytes,...}]}")
      .Run([] {
        auto done = List(a);
        return done ? kExitDone : Fail(done.error());
      });
}

void AddRm(CommandLine& line) {
  static Arguments a;
  line.Add("rm", "Remove models from this machine")
      .Arguments("NAME", a.names, "Models to remove", true)
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Run([] {
        auto done = Remove(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
