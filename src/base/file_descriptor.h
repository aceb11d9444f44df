// A file descriptor that closes itself. Errors of close are nobody's to mend: who needs the bytes
// on disk calls fsync before.
#pragma once

#include <unistd.h>

namespace infe {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}  // negative: what a failed open returned
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  const int fd_;
};

}  // namespace infe
