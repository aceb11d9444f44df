#include "store/reserve_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace infe::store {

bool ReserveFile::Restore() {
  if (there_) return true;
  if (size_ == 0) return there_ = true;
  // Given up once, it comes back only when twice its room is free: or a disk that stays full would
  // give and take it with every commit.
  struct statvfs disk{};
  const std::string folder = path_.substr(0, path_.rfind('/'));
  if (given_up_ && (statvfs(folder.c_str(), &disk) != 0 ||
                    static_cast<int64_t>(disk.f_bavail * disk.f_frsize) < 2 * size_))
    return false;
  const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  there_ = posix_fallocate(fd, 0, size_) == 0;  // blocks, not only a length
  close(fd);
  if (!there_) unlink(path_.c_str());
  return there_;
}

void ReserveFile::GiveUp() {
  if (size_ == 0) return;
  given_up_ = true;
  unlink(path_.c_str());
  there_ = false;
}

}  // namespace infe::store
