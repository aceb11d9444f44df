#include "base/file_descriptor.h"

#include <cerrno>

namespace infe {

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

}  // namespace infe
