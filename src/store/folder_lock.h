// One server per data folder with SQLite: each server decides on limits in its own memory, so two
// on one infe.db would each allow the whole of every limit. The kernel drops the lock with its
// process, however that ends. Commands (infe keys, infe usage) do not take it: they work beside a
// server.
#pragma once

#include <utility>

#include "base/result.h"
#include "store/data_dir.h"

namespace infe::store {

class FolderLock {
 public:
  // Waits a moment for a predecessor that is just ending. kUnavailable names the process that has
  // it and says what to do.
  static Result<FolderLock> Take(const DataDir& dir);
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace infe::store
