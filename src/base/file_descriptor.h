// A file descriptor that closes itself, and the one way to open a file that somebody else may have
// put there: what lies under its name may be a pipe, whose open waits for ever for another side, or
// a device. Errors of close are nobody's to mend: who needs the bytes on disk calls fsync before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <unistd.h>

#include "base/result.h"

namespace infe {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}  // negative: what a failed open returned
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Go on after a signal and a short count; false: errno says why. Reading also fails where the file
// ends before `to` is full.
bool ReadAt(const FileDescriptor& file, std::span<std::byte> to, uint64_t offset);
bool WriteAll(const FileDescriptor& file, std::span<const std::byte> from);

// Opens a regular file for reading; links are followed. Never waits: a pipe, a device, a socket or
// a folder is kIo and named as what it is. kNotFound if there is nothing of this name.
Result<FileDescriptor> OpenRegular(const std::string& path);
// The same for writing from the start: made with `mode`, or emptied.
Result<FileDescriptor> CreateRegular(const std::string& path, uint32_t mode);
// The same with what it holds already left as it is. The position is its beginning.
Result<FileDescriptor> OpenToWrite(const std::string& path, uint32_t mode);
// A small text file, whole. kResourceExhausted if it is larger than `bytes_max`.
Result<std::string> ReadSmallFile(const std::string& path, size_t bytes_max);

// One state of one file. The system gives a file a new time of change with every write, and no call
// sets that time to another: equal states of a file hold equal bytes. (Not so for writes within one
// tick of the clock: what is written while somebody looks. kClockTickNs tells how long to wait.)
struct FileState {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;  // since 1970; can be set by anyone who may write
  int64_t changed_ns = 0;   // since 1970; set by the system alone
  bool operator==(const FileState&) const = default;
};
// Longer than any kernel's timer tick (10 ms at 100 Hz), by which times of files advance.
inline constexpr int64_t kClockTickNs = 20'000'000;
Result<FileState> StateOf(const FileDescriptor& file);

}  // namespace infe
