// How large what a pull brings may be: by what the registry states, by the user's bound, and by
// what is free on the disk. A source is a stranger: it may send for ever.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace infe::store {

// No model that a machine without accelerators serves comes near it.
inline constexpr uint64_t kPullBytesMaxDefault = uint64_t{64} << 30;
// What a pull leaves free: a full disk would stop the usage ledger of a server beside it.
inline constexpr uint64_t kDiskBytesKept = uint64_t{256} << 20;

struct PullRoom {
  uint64_t stated = 0;   // by the registry; 0: it does not say
  uint64_t allowed = 0;  // by the user (--max-bytes); 0: kPullBytesMaxDefault
  std::string folder;    // on the disk that is to hold it

  // The most that may arrive.
  uint64_t BytesMax() const;
  // Whether a source that says nothing of its size can be bounded.
  bool HasBound() const { return stated != 0 || allowed != 0; }
  // kResourceExhausted, in words, if `bytes` are too many. `what` is their source.
  Result<void> Admits(uint64_t bytes, const std::string& what) const;
  // kIo if the disk cannot take so many bytes more.
  Result<void> FitsDisk(uint64_t bytes_more) const;
};

}  // namespace infe::store
