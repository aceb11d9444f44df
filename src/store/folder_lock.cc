#include "store/folder_lock.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace infe::store {
namespace {

// A process that was killed lets go only when its memory has been taken back, which takes some
// hundred milliseconds for a few gigabytes.
constexpr auto kPatience = std::chrono::milliseconds(1500);
constexpr auto kPause = std::chrono::milliseconds(50);

// What the holder wrote: its process id. It is for the message alone; the lock is the kernel's.
std::string HolderOf(int descriptor) {
  char text[32] = {};
  const ssize_t got = pread(descriptor, text, sizeof text - 1, 0);
  std::string holder(text, got > 0 ? static_cast<size_t>(got) : 0);
  holder.resize(std::min(holder.find_first_not_of("0123456789"), holder.size()));
  return holder.empty() ? "another process" : "process " + holder;
}

bool TryLock(int descriptor) {
  for (;;) {
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace

Result<FolderLock> FolderLock::Take(const DataDir& dir) {
  const std::string path = dir.path + "/infe.lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return IoError(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  FolderLock lock(descriptor);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!TryLock(descriptor)) {
    if (errno != EWOULDBLOCK)
      return IoError(fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
    if (std::chrono::steady_clock::now() >= end)
      return Error{ErrorCode::kUnavailable,
                   fmt::format("{} serves from the data folder {} already, and two servers on one "
                               "infe.db would each allow the whole of every limit: stop it first, "
                               "give this one a folder of its own with --data-dir, or let both "
                               "share a PostgreSQL database with --store-url",
                               HolderOf(descriptor), dir.path),
                   {}};
    std::this_thread::sleep_for(kPause);
  }
  const std::string holder = fmt::format("{}\n", getpid());
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size()))
    return IoError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return lock;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace infe::store
