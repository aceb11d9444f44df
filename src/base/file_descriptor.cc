#include "base/file_descriptor.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace infe {
namespace {

std::string_view KindOf(mode_t mode) {
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "not a file";
}

Error NotRegular(const std::string& path, mode_t mode) {
  return IoError(fmt::format("{} is {}, where a regular file is needed", path, KindOf(mode)));
}

Error CannotOpen(const std::string& path) {
  const int reason = errno;
  // What cannot even be opened: a socket, a pipe without a reader, a folder to be written.
  struct stat status{};
  if ((reason == ENXIO || reason == EISDIR || reason == ENODEV) &&
      stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    return NotRegular(path, status.st_mode);
  }
  std::string message = fmt::format("cannot open {}: {}", path, std::strerror(reason));
  return reason == ENOENT ? NotFound(std::move(message)) : IoError(std::move(message));
}

// O_NONBLOCK: open and read never wait. It means nothing to regular files.
Result<FileDescriptor> Open(const std::string& path, int flags, uint32_t mode) {
  FileDescriptor file(
      open(path.c_str(), flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, static_cast<mode_t>(mode)));
  if (!file.valid()) return CannotOpen(path);
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return CannotOpen(path);
  if (!S_ISREG(status.st_mode)) return NotRegular(path, status.st_mode);
  return file;
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

bool ReadAt(const FileDescriptor& file, std::span<std::byte> to, uint64_t offset) {
  while (!to.empty()) {
    const ssize_t got = pread(file.get(), to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to = to.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

bool WriteAll(const FileDescriptor& file, std::span<const std::byte> from) {
  while (!from.empty()) {
    const ssize_t put = write(file.get(), from.data(), from.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    from = from.subspan(static_cast<size_t>(put));
  }
  return true;
}

Result<FileDescriptor> OpenRegular(const std::string& path) {
  return Open(path, O_RDONLY, 0);
}

Result<FileDescriptor> CreateRegular(const std::string& path, uint32_t mode) {
  INFE_ASSIGN(FileDescriptor file, OpenToWrite(path, mode));
  // Not by O_TRUNC, which would come before the look at what it is.
  if (ftruncate(file.get(), 0) != 0) return CannotOpen(path);
  return file;
}

Result<FileDescriptor> OpenToWrite(const std::string& path, uint32_t mode) {
  return Open(path, O_WRONLY | O_CREAT, mode);
}

Result<std::string> ReadSmallFile(const std::string& path, size_t bytes_max) {
  INFE_ASSIGN(const FileDescriptor file, OpenRegular(path));
  std::string text;
  // Read until its end rather than by its size: files of /proc say 0.
  for (char buffer[4096];;) {
    const ssize_t got = read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > bytes_max) {
      return ResourceExhausted(
          fmt::format("{} is larger than {} bytes, the most it may be", path, bytes_max));
    }
  }
}

Result<FileState> StateOf(const FileDescriptor& file) {
  struct stat status{};
  if (fstat(file.get(), &status) != 0) {
    return IoError(fmt::format("cannot look at an open file: {}", std::strerror(errno)));
  }
  return FileState{.device = status.st_dev,
                   .inode = status.st_ino,
                   .bytes = static_cast<uint64_t>(status.st_size),
                   .modified_ns = Nanoseconds(status.st_mtim),
                   .changed_ns = Nanoseconds(status.st_ctim)};
}

}  // namespace infe
