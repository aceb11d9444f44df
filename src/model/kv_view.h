// KV memory as the model sees it. Layers fall into groups (global layers, windowed layers); a block
// of a group holds kKvTilePositions positions of every layer and KV head of that group. Who owns
// which block is the business of engine/; the model only reads block tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/table.h"

namespace infe::model {

inline constexpr uint32_t kKvGroupsMax = 2;
inline constexpr uint32_t kBlockPositions = kernels::kKvTilePositions;
inline constexpr uint32_t kNoBlock = 0xFFFFFFFFu;  // a position whose window has passed

struct KvGroup {
  std::vector<uint32_t>
      layers;              // layer indices, ascending; the i-th is at i * layer_bytes in a block
  uint32_t window = 0;     // 0: attends to everything; else only the last `window` positions
  size_t layer_bytes = 0;  // kv_heads tiles
  size_t block_bytes = 0;  // layers.size() * layer_bytes, 64-byte aligned
};

// The arenas: block b of group g starts at arena[g] + b * block_bytes of the group.
struct KvView {
  std::byte* arena[kKvGroupsMax] = {};
};

}  // namespace infe::model
