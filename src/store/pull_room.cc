#include "store/pull_room.h"

#include <algorithm>

#include <fmt/format.h>
#include <sys/statvfs.h>

namespace infe::store {
namespace {

double Megabytes(uint64_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

}  // namespace

uint64_t PullRoom::BytesMax() const {
  const uint64_t most = allowed != 0 ? allowed : kPullBytesMaxDefault;
  return stated != 0 ? std::min(stated, most) : most;
}

Result<void> PullRoom::Admits(uint64_t bytes, const std::string& what) const {
  if (bytes <= BytesMax()) return {};
  if (stated != 0 && BytesMax() == stated) {
    return ResourceExhausted(
        fmt::format("{}: it is larger than the {} bytes that the registry states", what, stated));
  }
  return ResourceExhausted(
      fmt::format("{}: it is larger than the {} bytes allowed; --max-bytes "
                  "allows more",
                  what, BytesMax()));
}

Result<void> PullRoom::FitsDisk(uint64_t bytes_more) const {
  struct statvfs disk{};
  if (statvfs(folder.c_str(), &disk) != 0) return {};  // writing will tell
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free >= kDiskBytesKept && free - kDiskBytesKept >= bytes_more) return {};
  return IoError(
      fmt::format("{:.0f} MB more are needed in {}, where {:.0f} MB are free and {:.0f} MB are to "
                  "stay so: make room, or choose another place with --data-dir",
                  Megabytes(bytes_more), folder, Megabytes(free), Megabytes(kDiskBytesKept)));
}

}  // namespace infe::store
