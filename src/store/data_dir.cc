#include "store/data_dir.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <sys/stat.h>

namespace infe::store {
namespace {

std::string DefaultPath() {
  if (const char* path = std::getenv("INFE_DATA_DIR"); path != nullptr && *path != 0) return path;
  if (const char* path = std::getenv("XDG_DATA_HOME"); path != nullptr && *path != 0)
    return std::string(path) + "/infe";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.local/share/infe";
}

}  // namespace

Result<DataDir> OpenDataDir(const std::string& given) {
  DataDir dir{given.empty() ? DefaultPath() : given};
  std::error_code ec;
  const bool existed = std::filesystem::exists(dir.path, ec);
  std::filesystem::create_directories(dir.models_path(), ec);
  if (ec)
    return IoError(fmt::format(
        "cannot make the data folder {}: {}; choose another with --data-dir or INFE_DATA_DIR",
        dir.path, ec.message()));
  if (!existed) (void)chmod(dir.path.c_str(), 0700);
  return dir;
}

}  // namespace infe::store
