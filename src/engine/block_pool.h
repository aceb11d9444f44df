// The blocks of one KV group: a fixed number of them, each free or held by reference count. Holders
// are running sequences (one reference each) and the prefix cache (one reference). Memory is not
// touched here: a block is a number. Engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace infe::engine {

class BlockPool {
 public:
  explicit BlockPool(uint32_t blocks);

  // A block with one reference; nullopt when none is free.
  std::optional<uint32_t> Allocate();
  void Ref(uint32_t block);
  // Returns the references left; at 0 the block is free again.
  uint32_t Unref(uint32_t block);
  uint32_t refs(uint32_t block) const { return refs_[block]; }

  uint32_t total() const { return static_cast<uint32_t>(refs_.size()); }
  uint32_t free() const { return static_cast<uint32_t>(free_.size()); }
  uint32_t used() const { return total() - free(); }

 private:
  std::vector<uint32_t> refs_;
  std::vector<uint32_t> free_;  // a stack: the block freed last is the warmest
};

}  // namespace infe::engine
