#include "store/reference_pull.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "store/hub.h"
#include "store/pulled_models.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

// Whether requests may call it so: nothing else here is called so.
bool IsFree(const ModelRegistry& registry, const std::string& alias, const std::string& name) {
  const ModelSpec* other = registry.Find(alias);
  return other == nullptr || other->name == name;
}

Result<void> Describe(const HubReference& reference, const ReferencePull& pull,
                      const PullOptions& options, ModelSpec& spec) {
  INFE_ASSIGN(const HubModel model, AskHub(reference, options));
  if (!model.architecture.empty()) spec.architecture = model.architecture;
  if (pull.check_architecture && !spec.architecture.empty())
    INFE_TRY(pull.check_architecture(spec.architecture));
  HfSource source;
  source.repository = model.repository;
  source.revision = model.commit;
  for (const HubFile& file : model.files) {
    source.files.push_back(file.path);
    source.digests.push_back(file.sha256);
  }
  if (spec.name.empty()) spec.name = NameFromFile(model.files.front().path);
  if (spec.title.empty())
    spec.title =
        fmt::format("{}{}{}", model.repository, model.quant.empty() ? "" : ", ", model.quant);
  if (!model.licence.empty()) spec.licence = model.licence;
  // Parts make one file with a digest and a size of its own.
  if (model.files.size() == 1) {
    spec.sha256 = model.files.front().sha256;
    spec.bytes = model.files.front().bytes;
  }
  spec.sources = {source};
  return {};
}

Result<void> Describe(const UrlReference& reference, const ReferencePull&, const PullOptions&,
                      ModelSpec& spec) {
  if (spec.name.empty()) spec.name = NameFromFile(reference.url);
  if (spec.title.empty()) spec.title = reference.url;
  spec.sources = {UrlSource{reference.url}};
  return {};
}

Result<void> Describe(const PathReference& reference, const ReferencePull&, const PullOptions&,
                      ModelSpec& spec) {
  std::string path = reference.path;
  // The shell does not reach what stands behind a =.
  if (const char* home = std::getenv("HOME"); home != nullptr && path.starts_with("~/"))
    path = home + path.substr(1);
  std::error_code ec;
  path = fs::absolute(path, ec).string();
  if (ec || !fs::exists(path, ec)) return NotFound(fmt::format("there is no file {}", path));
  if (spec.name.empty()) spec.name = NameFromFile(path);
  if (spec.title.empty()) spec.title = path;
  spec.sources = {FileSource{path}};
  return {};
}

// What was pulled by the same reference before, unless it is to be called otherwise now.
const ModelSpec* Noted(const ModelRegistry& registry, const std::string& reference,
                       const std::string& name) {
  for (const ModelSpec& spec : registry.models())
    if (spec.reference == reference && !spec.sha256.empty() && (name.empty() || spec.name == name))
      return &spec;
  return nullptr;
}

}  // namespace

Result<PulledModel> PullReference(const ModelRegistry& registry, const ReferencePull& pull,
                                  const PullOptions& options) {
  const std::string reference = TextOf(pull.reference);
  // Pinned: the hub is not asked again what it has by now.
  const ModelSpec* noted = Noted(registry, reference, pull.name);
  if (noted != nullptr && !options.force) return PullModel(registry, *noted, options);
  if (options.offline)
    return Error{
        ErrorCode::kUnavailable,
        fmt::format("{} is not on this machine, and --offline forbids fetching it", reference),
        {}};
  ModelSpec spec = pull.entry;
  spec.name = pull.name.empty() ? pull.entry.name : pull.name;
  spec.reference = reference;
  spec.sha256.clear();
  spec.bytes = 0;
  INFE_TRY(
      std::visit([&](const auto& r) { return Describe(r, pull, options, spec); }, pull.reference));
  if (!IsModelName(spec.name))
    return InvalidArgument(fmt::format(
        "{} cannot be a model's name: letters, digits and -_.: only; --name gives it one",
        spec.name.empty() ? reference : spec.name));
  const ModelSpec* same = registry.Find(spec.name);
  if (same != nullptr && (same->name != spec.name || same->reference != reference))
    return Error{
        ErrorCode::kAlreadyExists,
        fmt::format("{} is already the name of {}; --name gives this one another", spec.name,
                    same->reference.empty() ? "a model of the registry" : same->reference),
        {}};
  if (const auto* hub = std::get_if<HubReference>(&pull.reference)) {
    const std::string alias = hub->Text().substr(3);
    const bool plain = hub->file.empty() && hub->revision == "main";
    if (plain && alias != spec.name && IsFree(registry, alias, spec.name) &&
        std::find(spec.aliases.begin(), spec.aliases.end(), alias) == spec.aliases.end())
      spec.aliases.push_back(alias);
  }
  PullOptions keeping = options;
  keeping.keep_old = true;
  INFE_ASSIGN(PulledModel pulled, PullModel(registry, spec, keeping));
  spec.sha256 = pulled.model.sha256;
  spec.bytes = pulled.model.size_bytes;
  INFE_TRY(NotePulled(registry.dir(), spec));
  return pulled;
}

}  // namespace infe::store
