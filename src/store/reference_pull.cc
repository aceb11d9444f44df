#include "store/reference_pull.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <span>

#include <fmt/format.h>

#include "base/file_descriptor.h"
#include "store/download.h"
#include "store/gguf_head.h"
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

// Enough for the keys before the vocabulary, with a chat template among them.
constexpr size_t kBeginningBytes = size_t{64} << 10;

Result<void> Check(const ReferencePull& pull, const std::string& architecture) {
  if (!pull.check_architecture || architecture.empty()) return {};
  return pull.check_architecture(architecture);
}

// What the file at this address says of itself; empty: not in its beginning, or it cannot be read
// now, which the download will tell better.
Result<std::string> PeekUrl(const std::string& url, const std::vector<std::string>& headers,
                            const PullOptions& options) {
  const auto beginning = FetchBeginning(url, headers, kBeginningBytes, options);
  if (!beginning && beginning.error().code == ErrorCode::kCancelled) return beginning.error();
  if (!beginning || beginning->status / 100 != 2) return std::string();
  auto architecture = ArchitectureIn(beginning->body);
  if (!architecture) return Corrupt(fmt::format("{}: {}", url, architecture.error().message));
  return architecture;
}

Result<std::string> PeekFile(const std::string& path) {
  INFE_ASSIGN(const FileDescriptor file, OpenRegular(path));
  INFE_ASSIGN(const FileState state, StateOf(file));
  std::string beginning(std::min<uint64_t>(state.bytes, kBeginningBytes), '\0');
  if (!ReadAt(file, std::as_writable_bytes(std::span(beginning)), 0))
    return IoError(fmt::format("cannot read {}", path));
  auto architecture = ArchitectureIn(beginning);
  if (!architecture) return Corrupt(fmt::format("{}: {}", path, architecture.error().message));
  return architecture;
}

// What the hub says of a repository may be read from another of its files (an encoder's, say), or
// missing: where it would not do, the file itself is asked.
Result<void> CheckHub(const HubModel& model, const ReferencePull& pull, const PullOptions& options,
                      ModelSpec& spec) {
  if (!model.architecture.empty() && Check(pull, model.architecture)) {
    spec.architecture = model.architecture;
    return {};
  }
  INFE_ASSIGN(const std::string own,
              PeekUrl(HubFileUrl(model.repository, model.commit, model.files.front().path),
                      HubHeaders(), options));
  if (!own.empty()) {
    spec.architecture = own;
  } else if (!model.architecture.empty()) {
    spec.architecture = model.architecture;
  }
  return Check(pull, spec.architecture);
}

Result<void> Describe(const HubReference& reference, const ReferencePull& pull,
                      const PullOptions& options, ModelSpec& spec) {
  INFE_ASSIGN(const HubModel model, AskHub(reference, options));
  INFE_TRY(CheckHub(model, pull, options, spec));
  HfSource source;
  source.repository = model.repository;
  source.revision = model.commit;
  for (const HubFile& file : model.files) {
    source.files.push_back(file.path);
    source.digests.push_back(file.sha256);
    source.sizes.push_back(file.bytes);
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

// An address without what may be secret in it: a user's name and password, a signature.
std::string Shown(const std::string& url) {
  std::string shown = url.substr(0, url.find_first_of("?#"));
  const size_t host = shown.find("://") + 3;
  const size_t path = std::min(shown.find('/', host), shown.size());
  if (const size_t at = shown.rfind('@', path); at != std::string::npos && at > host)
    shown.erase(host, at + 1 - host);
  return shown;
}

Result<void> Describe(const UrlReference& reference, const ReferencePull& pull,
                      const PullOptions& options, ModelSpec& spec) {
  INFE_ASSIGN(const std::string own, PeekUrl(reference.url, {}, options));
  if (!own.empty()) spec.architecture = own;
  INFE_TRY(Check(pull, spec.architecture));
  if (spec.name.empty()) spec.name = NameFromFile(reference.url);
  if (spec.title.empty()) spec.title = Shown(reference.url);
  spec.sources = {UrlSource{reference.url}};
  return {};
}

Result<void> Describe(const PathReference& reference, const ReferencePull& pull, const PullOptions&,
                      ModelSpec& spec) {
  INFE_ASSIGN(const std::string own, PeekFile(reference.path));
  if (!own.empty()) spec.architecture = own;
  INFE_TRY(Check(pull, spec.architecture));
  if (spec.name.empty()) spec.name = NameFromFile(reference.path);
  if (spec.title.empty()) spec.title = reference.path;
  spec.sources = {FileSource{reference.path}};
  return {};
}

// A path is the same file from every folder.
Result<ModelReference> Whole(const ModelReference& reference) {
  const auto* given = std::get_if<PathReference>(&reference);
  if (given == nullptr) return reference;
  std::string path = given->path;
  // The shell does not reach what stands behind a =.
  if (const char* home = std::getenv("HOME"); home != nullptr && path.starts_with("~/"))
    path = home + path.substr(1);
  std::error_code ec;
  path = fs::absolute(path, ec).lexically_normal().string();
  if (ec || !fs::exists(path, ec)) return NotFound(fmt::format("there is no file {}", path));
  return ModelReference(PathReference{path});
}

// Requests may call a model of a hub as the hub does, where nothing else here is called so.
void AddHubAlias(const ModelRegistry& registry, const ModelReference& reference, ModelSpec& spec) {
  const auto* hub = std::get_if<HubReference>(&reference);
  if (hub == nullptr || !hub->file.empty() || hub->revision != "main") return;
  const std::string alias = hub->Text().substr(3);
  const bool is_new =
      std::find(spec.aliases.begin(), spec.aliases.end(), alias) == spec.aliases.end();
  if (is_new && alias != spec.name && IsModelAlias(alias) && IsFree(registry, alias, spec.name))
    spec.aliases.push_back(alias);
}

// What was pulled by the same reference before, unless it is to be called otherwise now.
const ModelSpec* Noted(const ModelRegistry& registry, const std::string& reference,
                       const std::string& name) {
  for (const ModelSpec& spec : registry.models())
    if (spec.reference == reference && !spec.sha256.empty() && !spec.sources.empty() &&
        (name.empty() || spec.name == name))
      return &spec;
  return nullptr;
}

// A digest that the user's own entry has beside its reference is what must arrive.
Result<void> KeepOwnPin(const ModelSpec& entry, ModelSpec& spec) {
  if (entry.sha256.empty() || !entry.sources.empty()) return {};
  if (!spec.sha256.empty() && spec.sha256 != entry.sha256)
    return Corrupt(fmt::format("{} has sha256 {} by now, the entry of {} says {}", spec.reference,
                               spec.sha256, entry.name, entry.sha256));
  spec.sha256 = entry.sha256;
  return {};
}

}  // namespace

Result<PulledModel> PullReference(const ModelRegistry& registry, const ReferencePull& pull,
                                  const PullOptions& options) {
  INFE_ASSIGN(const ModelReference whole, Whole(pull.reference));
  const std::string reference = TextOf(whole);
  // Pinned: the hub is not asked again what it has by now.
  const ModelSpec* noted = Noted(registry, reference, pull.name);
  if (noted != nullptr && !options.force) return PullModel(registry, *noted, options);
  if (options.offline)
    return Error{
        ErrorCode::kUnavailable,
        fmt::format("{} is not on this machine, and --offline forbids fetching it", reference),
        {}};
  // An entry's own word needs no hub.
  INFE_TRY(Check(pull, pull.entry.architecture));
  ModelSpec spec = pull.entry;
  spec.name = pull.name.empty() ? pull.entry.name : pull.name;
  spec.reference = reference;
  spec.sha256.clear();
  spec.bytes = 0;
  INFE_TRY(std::visit([&](const auto& r) { return Describe(r, pull, options, spec); }, whole));
  if (!IsModelName(spec.name))
    return InvalidArgument(fmt::format(
        "{} cannot be a model's name: letters, digits and -_.: only; --name gives it one",
        spec.name.empty() ? reference : spec.name));
  INFE_TRY(KeepOwnPin(pull.entry, spec));
  const ModelSpec* same = registry.Find(spec.name);
  // Another way to say what is here.
  if (same != nullptr && same->name == spec.name && !spec.sha256.empty() && !options.force &&
      same->sha256 == spec.sha256)
    return PullModel(registry, *same, options);
  if (same != nullptr && (same->name != spec.name || same->reference != reference))
    return Error{
        ErrorCode::kAlreadyExists,
        fmt::format("{} is already the name of {}; --name gives this one another", spec.name,
                    same->reference.empty() ? "a model of the registry" : same->reference),
        {}};
  AddHubAlias(registry, whole, spec);
  PullOptions keeping = options;
  keeping.keep_old = true;
  // What lies under this name by accident is not what was asked for, if nothing tells.
  if (spec.sha256.empty()) keeping.force = true;
  INFE_ASSIGN(PulledModel pulled, PullModel(registry, spec, keeping));
  spec.sha256 = pulled.model.sha256;
  spec.bytes = pulled.model.size_bytes;
  INFE_TRY(NotePulled(registry.dir(), spec));
  return pulled;
}

}  // namespace infe::store
