#include "cli/open_model.h"

#include <filesystem>

#include <fmt/format.h>

namespace infe::cli {

Result<store::InstalledModel> FindModel(const std::string& name, const std::string& data_dir) {
  std::error_code ec;
  if (name.find('/') != std::string::npos || name.ends_with(".gguf")) {
    if (!std::filesystem::exists(name, ec))
      return NotFound(fmt::format("there is no model file {}", name));
    store::InstalledModel model;
    model.name = name;
    model.path = name;
    return model;
  }
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  const store::ModelSpec* spec = registry.Find(name);
  if (spec == nullptr)
    return NotFound(fmt::format("no model is called {}; see: infe ls --all", name));
  for (const store::InstalledModel& model : registry.Installed())
    if (model.name == spec->name) return model;
  return NotFound(fmt::format("{} is not on this machine; get it with: infe pull {}", name, name));
}

Result<std::string> FindModelFile(const std::string& name, const std::string& data_dir) {
  INFE_ASSIGN(const store::InstalledModel model, FindModel(name, data_dir));
  return model.path;
}

}  // namespace infe::cli
