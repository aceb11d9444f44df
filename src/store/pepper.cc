#include "store/pepper.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/random.h"
#include "base/sha256.h"

namespace infe::store {
namespace {

constexpr size_t kPepperBytes = 32;
// Of the HMAC: enough that no other pepper has it by chance.
constexpr size_t kCheckBytes = 16;
constexpr std::string_view kMark =
    "Keys have been made with this data folder. A server that finds none in its database takes\n"
    "nobody, because it has lost them: see require_keys in docs/keys.md.\n";

std::string MarkPath(const DataDir& dir) {
  return dir.path + "/keys.made";
}

// A new file of that content on the disk, mode 0600. AlreadyExists: there is one.
Result<void> WriteNew(const std::string& path, std::string_view content) {
  const int out = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (out < 0)
    return Error{errno == EEXIST ? ErrorCode::kAlreadyExists : ErrorCode::kIo,
                 fmt::format("cannot write {}: {}", path, std::strerror(errno)),
                 {}};
  const bool written =
      write(out, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      fsync(out) == 0;
  close(out);
  if (written) return {};
  unlink(path.c_str());
  return IoError(fmt::format("cannot write {}", path));
}

// A new pepper in a file aside.
Result<std::string> WritePepper(const std::string& path) {
  std::string pepper(kPepperBytes, '\0');
  FillRandom(pepper.data(), pepper.size());
  unlink(path.c_str());  // of a process of this id that was killed here
  INFE_TRY(WriteNew(path, pepper));
  return pepper;
}

}  // namespace

Result<std::optional<std::string>> ReadPepper(const DataDir& dir) {
  const std::string path = dir.pepper_path();
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return std::optional<std::string>();
  if (fd < 0) return IoError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  std::string pepper(kPepperBytes + 1, '\0');  // one more shows a file that is too long
  const ssize_t got = read(fd, pepper.data(), pepper.size());
  close(fd);
  if (got != static_cast<ssize_t>(kPepperBytes))
    return Corrupt(fmt::format(
        "{} does not hold {} bytes: restore it from a backup; if it is lost for good, every key is "
        "too: `infe keys new-pepper --revoke-all-keys` begins anew",
        path, kPepperBytes));
  pepper.resize(kPepperBytes);
  return std::optional<std::string>(std::move(pepper));
}

Result<std::string> LoadPepper(const DataDir& dir) {
  const std::string path = dir.pepper_path();
  for (int attempt = 0; attempt < 2; ++attempt) {
    INFE_ASSIGN(std::optional<std::string> pepper, ReadPepper(dir));
    if (pepper) return *std::move(pepper);
    // Written aside and linked into place, so that two first starts agree on one pepper.
    const std::string aside = fmt::format("{}.{}", path, getpid());
    INFE_TRY(WritePepper(aside));
    // Fails if another process was first: its pepper it is.
    (void)!link(aside.c_str(), path.c_str());
    unlink(aside.c_str());
  }
  return IoError(fmt::format("cannot make {}", path));
}

Result<std::string> ReplacePepper(const DataDir& dir) {
  const std::string path = dir.pepper_path();
  const std::string aside = fmt::format("{}.{}", path, getpid());
  INFE_ASSIGN(std::string pepper, WritePepper(aside));
  if (access(path.c_str(), F_OK) == 0 && rename(path.c_str(), (path + ".before").c_str()) != 0)
    return IoError(fmt::format("cannot move {} away: {}", path, std::strerror(errno)));
  if (rename(aside.c_str(), path.c_str()) != 0)
    return IoError(fmt::format("cannot make {}: {}", path, std::strerror(errno)));
  return pepper;
}

std::string PepperCheck(const std::string& pepper) {
  const Sha256Digest digest = HmacSha256(pepper, "infe: by this a pepper is recognised");
  return ToHex(std::span(digest).first(kCheckBytes));
}

bool KeysWereMade(const DataDir& dir) {
  return access(MarkPath(dir).c_str(), F_OK) == 0;
}

void NoteKeysWereMade(const DataDir& dir) {
  (void)WriteNew(MarkPath(dir), kMark);
}

}  // namespace infe::store
