#include "store/secret_files.h"

#include <array>

#include <fmt/format.h>
#include <sys/stat.h>

namespace infe::store {
namespace {

constexpr mode_t kGroupReads = 040, kGroupWrites = 020, kOthersRead = 04, kOthersWrite = 02;

struct SecretFile {
  std::string path;
  const char* what;
  mode_t refused;  // any of these bits
  mode_t told;
};

}  // namespace

Result<std::vector<std::string>> CheckSecretFiles(const DataDir& dir, const std::string& tls_key) {
  const std::array files = {
      SecretFile{dir.pepper_path(), "the pepper, which all keys depend on",
                 kGroupWrites | kOthersWrite, kGroupReads | kOthersRead},
      // A group may administer: infe keys by several users.
      SecretFile{dir.database_path(), "the database of keys and usage", kOthersWrite,
                 kGroupWrites | kOthersRead},
      SecretFile{tls_key, "the TLS key", kGroupWrites | kOthersWrite, kOthersRead},
      // Orchestrators make folders that everybody may write to and show them to one container.
      SecretFile{dir.path, "the data folder", 0, kOthersWrite},
  };
  std::vector<std::string> told;
  for (const SecretFile& file : files) {
    struct stat there{};
    if (file.path.empty() || stat(file.path.c_str(), &there) != 0) continue;
    const bool folder = S_ISDIR(there.st_mode);
    const mode_t right = folder ? 0700 : 0600;
    if ((there.st_mode & file.refused) != 0)
      return Error{ErrorCode::kPermissionDenied,
                   fmt::format("others may write to {} ({}, mode {:04o}), so its content cannot be "
                               "trusted: look at who did, then chmod {:o} {}",
                               file.path, file.what, there.st_mode & 07777, right, file.path),
                   {}};
    if ((there.st_mode & file.told) != 0)
      told.push_back(fmt::format(
          "others may {} {} ({}, mode {:04o}): chmod {:o} {}",
          (there.st_mode & file.told & (kGroupWrites | kOthersWrite)) != 0 ? "write to" : "read",
          file.path, file.what, there.st_mode & 07777, right, file.path));
  }
  return told;
}

}  // namespace infe::store
