#include "cli/pull_model.h"

#include <optional>

#include <fmt/format.h>

#include "cli/command_line.h"
#include "cli/progress_bar.h"
#include "cli/runs_here.h"
#include "store/model_reference.h"
#include "store/reference_pull.h"

namespace infe::cli {
namespace {

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

Result<Wanted> Find(const store::ModelRegistry& registry, const PullWish& wish,
                    const store::PullOptions& options) {
  const std::string& name = wish.name;
  Wanted wanted;
  wanted.spec = registry.Find(name);
  if (wanted.spec != nullptr && !wish.as.empty())
    return InvalidArgument(fmt::format(
        "{} has its name from the registry, and --name cannot change it; an alias may be added in "
        "models.toml",
        wanted.spec->name));
  const bool is_pinned = wanted.spec != nullptr && !wanted.spec->sources.empty() && !options.force;
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

}  // namespace

Result<store::PulledModel> PullOne(const store::ModelRegistry& registry, const PullWish& wish,
                                   store::PullOptions options) {
  INFE_ASSIGN(const Wanted wanted, Find(registry, wish, options));
  ProgressBar bar(wanted.spec != nullptr ? wanted.spec->name : wish.name, wish.quiet);
  options.on_progress = [&](const store::PullProgress& p) {
    bar.Show(p.step, p.done_bytes, p.total_bytes);
  };
  options.on_notice = [&](const std::string& sentence) { bar.Tell(sentence); };
  if (!wanted.reference) return store::PullModel(registry, *wanted.spec, options);
  store::ReferencePull pull;
  pull.reference = *wanted.reference;
  pull.name = wish.as;
  if (wanted.spec != nullptr) pull.entry = *wanted.spec;
  pull.check_architecture = CheckArchitecture;
  return store::PullReference(registry, pull, options);
}

bool IsPullable(const std::string& name, const std::string& data_dir) {
  const auto dir = store::OpenDataDir(data_dir);
  if (!dir) return false;
  const auto registry = store::ModelRegistry::Load(*dir);
  return registry && registry->Find(name) != nullptr;
}

Result<void> PullToUse(const std::string& name, const std::string& data_dir) {
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  if (registry.Find(name) == nullptr)
    return NotFound(fmt::format(
        "no model is called {}; see: infe ls --all. Any other is fetched, and named, by infe pull",
        name));
  store::PullOptions options;
  options.cancelled = Interrupted;
  INFE_TRY(PullOne(registry, {.name = name}, options));
  return {};
}

}  // namespace infe::cli
