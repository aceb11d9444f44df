// A file descriptor that closes itself. Errors of close are nobody's to mend: who needs the bytes
// on disk calls fsync before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <unistd.h>

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

}  // namespace infe
