#include "store/pulled_models.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <toml++/toml.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace infe::store {
namespace {

constexpr size_t kPulledBytesMax = size_t{4} << 20;
constexpr std::string_view kHeading =
    "# What infe pull noted of models that no registry names. Written by infe; your own entries\n"
    "# belong into models.toml.\n\n";

void Set(toml::table& table, std::string_view key, const std::string& value) {
  if (!value.empty()) table.insert(key, value);
}

toml::array Texts(const std::vector<std::string>& texts) {
  toml::array array;
  for (const std::string& text : texts) array.push_back(text);
  return array;
}

toml::table ToToml(const PipSource& source) {
  return toml::table{{"pip", Texts(source.packages)}, {"member", source.member}};
}
toml::table ToToml(const HfSource& source) {
  std::vector<std::string> files;
  for (const std::string& file : source.files) files.push_back(source.repository + "/" + file);
  toml::table table{{"revision", source.revision}};
  if (files.size() == 1) {
    table.insert("hf", files.front());
  } else {
    table.insert("hf", Texts(files));
  }
  return table;
}
toml::table ToToml(const UrlSource& source) {
  return toml::table{{"url", source.url}};
}
toml::table ToToml(const FileSource& source) {
  return toml::table{{"file", source.path}};
}

toml::table ToToml(const EmbeddingUse& use) {
  toml::table table;
  toml::array dimensions;
  for (const uint32_t size : use.dimensions) dimensions.push_back(static_cast<int64_t>(size));
  if (!dimensions.empty()) table.insert("dimensions", dimensions);
  if (use.dimensions_min > 0)
    table.insert("dimensions_min", static_cast<int64_t>(use.dimensions_min));
  Set(table, "query_prefix", use.query_prefix);
  Set(table, "document_prefix", use.document_prefix);
  return table;
}

toml::table ToToml(const ModelSpec& spec) {
  toml::table table;
  Set(table, "name", spec.name);
  Set(table, "title", spec.title);
  Set(table, "licence", spec.licence);
  Set(table, "sha256", spec.sha256);
  Set(table, "reference", spec.reference);
  Set(table, "architecture", spec.architecture);
  if (spec.bytes > 0) table.insert("bytes", static_cast<int64_t>(spec.bytes));
  if (!spec.aliases.empty()) table.insert("aliases", Texts(spec.aliases));
  if (spec.embedding != EmbeddingUse()) table.insert("embedding", ToToml(spec.embedding));
  toml::array sources;
  for (const ModelSource& source : spec.sources)
    sources.push_back(std::visit([](const auto& s) { return ToToml(s); }, source));
  if (!sources.empty()) table.insert("sources", sources);
  return table;
}

Result<void> Write(const std::string& path, const std::vector<ModelSpec>& specs) {
  toml::array models;
  for (const ModelSpec& spec : specs) models.push_back(ToToml(spec));
  std::ostringstream text;
  text << kHeading << toml::table{{"model", models}} << "\n";
  const std::string bytes = text.str();
  // What could not be read again would be in the way of every command.
  INFE_TRY(ModelRegistry::Parse(bytes, path));
  if (bytes.size() > kPulledBytesMax)
    return ResourceExhausted(
        fmt::format("{} would be larger than {} bytes: remove models with "
                    "infe rm",
                    path, kPulledBytesMax));
  const std::string aside = path + ".new";
  INFE_ASSIGN(const FileDescriptor file, CreateRegular(aside, 0600));
  if (!WriteAll(file, std::as_bytes(std::span(bytes))) || fsync(file.get()) != 0 ||
      std::rename(aside.c_str(), path.c_str()) != 0)
    return IoError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return {};
}

// Reads, lets `change` change, writes; alone.
Result<void> Change(const DataDir& dir,
                    const std::function<void(std::vector<ModelSpec>&)>& change) {
  const std::string path = dir.pulled_path();
  const FileDescriptor lock(
      open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600));
  // Held for the blink that a small file takes.
  if (!lock.valid() || flock(lock.get(), LOCK_EX) != 0)
    return IoError(fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
  std::vector<ModelSpec> specs;
  const Result<std::string> text = ReadSmallFile(path, kPulledBytesMax);
  if (!text && text.error().code != ErrorCode::kNotFound) return text.error();
  if (text) {
    INFE_ASSIGN(specs, ModelRegistry::Parse(*text, path));
  }
  change(specs);
  return Write(path, specs);
}

auto Named(std::vector<ModelSpec>& specs, std::string_view name) {
  return std::find_if(specs.begin(), specs.end(),
                      [&](const ModelSpec& spec) { return spec.name == name; });
}

}  // namespace

Result<void> NotePulled(const DataDir& dir, const ModelSpec& spec) {
  return Change(dir, [&](std::vector<ModelSpec>& specs) {
    const auto there = Named(specs, spec.name);
    if (there == specs.end()) {
      specs.push_back(spec);
    } else {
      *there = spec;
    }
  });
}

Result<void> ForgetPulled(const DataDir& dir, std::string_view name) {
  const Result<std::string> text = ReadSmallFile(dir.pulled_path(), kPulledBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return {};
  return Change(dir, [&](std::vector<ModelSpec>& specs) {
    const auto there = Named(specs, name);
    if (there != specs.end()) specs.erase(there);
  });
}

}  // namespace infe::store
