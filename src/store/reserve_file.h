// A file that does nothing but take room: when the disk is full it is given up, so that what must
// still be written finds a place.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace infe::store {

class ReserveFile {
 public:
  // size 0: there is none, and it always counts as being there.
  ReserveFile(std::string path, int64_t size) : path_(std::move(path)), size_(size) {}
  // Makes sure that it is there in full length. False: the disk has no room for it.
  bool Restore();
  void GiveUp();
  bool there() const { return there_; }

 private:
  const std::string path_;
  const int64_t size_;
  bool there_ = false, given_up_ = false;
};

}  // namespace infe::store
