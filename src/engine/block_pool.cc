#include "engine/block_pool.h"

#include "base/check.h"

namespace infe::engine {

BlockPool::BlockPool(uint32_t blocks) : refs_(blocks, 0) {
  free_.reserve(blocks);
  for (uint32_t i = blocks; i > 0; --i) free_.push_back(i - 1);
}

std::optional<uint32_t> BlockPool::Allocate() {
  if (free_.empty()) return std::nullopt;
  const uint32_t block = free_.back();
  free_.pop_back();
  INFE_CHECK(refs_[block] == 0);
  refs_[block] = 1;
  return block;
}

void BlockPool::Ref(uint32_t block) {
  INFE_CHECK(block < refs_.size() && refs_[block] > 0);
  ++refs_[block];
}

uint32_t BlockPool::Unref(uint32_t block) {
  INFE_CHECK(block < refs_.size() && refs_[block] > 0);
  if (--refs_[block] == 0) free_.push_back(block);
  return refs_[block];
}

}  // namespace infe::engine
