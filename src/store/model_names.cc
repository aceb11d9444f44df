#include "store/model_names.h"

#include <filesystem>

#include <fmt/format.h>

#include "store/model_file.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

// Never over a file that is there: a hard link fails then, where a rename would replace.
bool AddName(const std::string& path, const std::string& second) {
  std::error_code ec;
  fs::create_hard_link(path, second, ec);
  return !ec;
}

}  // namespace

Result<std::string> FreeName(const ModelRegistry& registry, const ModelSpec& spec,
                             const std::string& sha256) {
  const std::string path = registry.PathOf(spec);
  std::string name;
  for (const ModelSpec& other : registry.models()) {
    if (other.name == spec.name || other.sha256 != sha256) continue;
    std::error_code ec;
    const std::string target = registry.PathOf(other);
    if (!fs::exists(target, ec) && !AddName(path, target)) {
      // A file system without links: one name at a time.
      fs::rename(path, target, ec);
      if (ec) return IoError(fmt::format("cannot rename {}: {}", path, ec.message()));
      return other.name;
    }
    name = other.name;
    break;
  }
  std::error_code ec;
  fs::remove(path, ec);
  if (ec) return IoError(fmt::format("cannot remove {}: {}", path, ec.message()));
  return name;
}

Result<std::string> TakeInstalled(const ModelRegistry& registry, const ModelSpec& spec,
                                  const PullOptions& options) {
  if (spec.bytes == 0 || spec.sha256.empty()) return std::string();
  for (const InstalledModel& other : registry.Installed()) {
    if (other.name == spec.name || other.size_bytes != spec.bytes) continue;
    const auto file = OpenHashed(registry.dir(), other.path, Checking(options));
    if (!file && file.error().code == ErrorCode::kCancelled) return file.error();
    if (!file || file->sha256 != spec.sha256) continue;
    const std::string path = registry.PathOf(spec);
    if (other.sha256 == spec.sha256) {
      if (!AddName(other.path, path)) continue;
      return other.name;
    }
    std::error_code ec;
    fs::rename(other.path, path, ec);
    if (ec) return IoError(fmt::format("cannot rename {}: {}", other.path, ec.message()));
    return other.name;
  }
  return std::string();
}

}  // namespace infe::store
