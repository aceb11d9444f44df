#include "store/data_dir.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"

namespace infe::store {
namespace {

constexpr size_t kPepperBytes = 32;

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

Result<std::string> LoadPepper(const DataDir& dir) {
  const std::string path = dir.path + "/pepper";
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      std::string pepper(kPepperBytes, '\0');
      const ssize_t got = read(fd, pepper.data(), pepper.size());
      close(fd);
      if (got != static_cast<ssize_t>(kPepperBytes))
        return Corrupt(
            fmt::format("{} does not hold {} bytes: restore it, or remove it together with infe.db",
                        path, kPepperBytes));
      return pepper;
    }
    if (errno != ENOENT)
      return IoError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    // Written aside and linked into place, so that two first starts agree on one pepper.
    std::string pepper(kPepperBytes, '\0');
    FillRandom(pepper.data(), pepper.size());
    const std::string temporary = fmt::format("{}.{}", path, getpid());
    const int out = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
      return IoError(fmt::format("cannot write {}: {}", temporary, std::strerror(errno)));
    const bool written =
        write(out, pepper.data(), pepper.size()) == static_cast<ssize_t>(kPepperBytes) &&
        fsync(out) == 0;
    close(out);
    if (!written) {
      unlink(temporary.c_str());
      return IoError(fmt::format("cannot write {}", temporary));
    }
    (void)link(temporary.c_str(),
               path.c_str());  // fails if another process was first: its pepper it is
    unlink(temporary.c_str());
  }
  return IoError(fmt::format("cannot make {}", path));
}

}  // namespace infe::store
