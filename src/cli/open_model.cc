#include "cli/open_model.h"

#include <filesystem>

#include <fmt/format.h>

#include "server/models/read_gguf.h"

namespace infe::cli {

Result<FoundModel> FindModel(const std::string& name, const std::string& data_dir) {
  std::error_code ec;
  FoundModel found;
  INFE_ASSIGN(found.dir, store::OpenDataDir(data_dir));
  if (name.find('/') != std::string::npos || name.ends_with(".gguf")) {
    if (!std::filesystem::exists(name, ec))
      return NotFound(fmt::format("there is no model file {}", name));
    found.installed.name = name;
    found.installed.path = name;
    return found;
  }
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(found.dir));
  const store::ModelSpec* spec = registry.Find(name);
  if (spec == nullptr)
    return NotFound(fmt::format("no model is called {}; see: infe ls --all", name));
  for (const store::InstalledModel& installed : registry.Installed()) {
    if (installed.name != spec->name) continue;
    found.installed = installed;
    return found;
  }
  return NotFound(fmt::format("{} is not on this machine; get it with: infe pull {}", name, name));
}

Result<store::ModelFile> OpenModelFile(const FoundModel& model, const store::HashOptions& options) {
  return store::OpenModelFile(model.dir, model.installed, options);
}

Result<model::GgufFile> OpenGguf(const std::string& name, const std::string& data_dir) {
  // A path needs no data folder, and a command that only reads makes none.
  if (name.find('/') != std::string::npos || name.ends_with(".gguf"))
    return model::GgufFile::Open(name);
  INFE_ASSIGN(const FoundModel found, FindModel(name, data_dir));
  INFE_ASSIGN(store::ModelFile file, OpenModelFile(found));
  return server::ReadGguf(std::move(file));
}

}  // namespace infe::cli
