#include "cli/open_model.h"

#include <filesystem>

#include <fmt/format.h>

#include "store/model_registry.h"

namespace infe::cli {

Result<std::string> FindModelFile(const std::string& name, const std::string& data_dir) {
  std::error_code ec;
  if (name.find('/') != std::string::npos || name.ends_with(".gguf")) {
    if (!std::filesystem::exists(name, ec))
      return NotFound(fmt::format("there is no model file {}", name));
    return name;
  }
  INFE_ASSIGN(const store::DataDir dir, store::OpenDataDir(data_dir));
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir));
  const store::ModelSpec* spec = registry.Find(name);
  if (spec == nullptr)
    return NotFound(fmt::format("no model is called {}; see: infe ls --all", name));
  const std::string path = registry.PathOf(*spec);
  if (!std::filesystem::exists(path, ec))
    return NotFound(
        fmt::format("{} is not on this machine; get it with: infe pull {}", name, name));
  return path;
}

}  // namespace infe::cli
