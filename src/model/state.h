// What a model remembers of a sequence between steps, as the model sees it. Layers that remember
// alike form a group; the memory of a group is an arena of equal blocks. Who owns which block is
// the business of engine/: the model only reads block tables.
//
//   kPositions  keys and values of every position. A block holds kBlockPositions positions of all
//               layers of the group; table entry i is the block of positions 32*i..32*i+31.
//   kWindow     the same, but only the last `window` positions are read: entries before them may be
//               kNoBlock.
//   kRunning    one state that every token changes (a recurrence). A block is one snapshot of all
//               layers of the group. The table of a step is {from, to}: the state before the step's
//               first token is read from `from` (kNoBlock: the sequence begins), the state after
//               its last token is written to `to`. `from` stays as it is, and is never `to`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/table.h"

namespace infe::model {

inline constexpr uint32_t kStateGroupsMax = 4;
inline constexpr uint32_t kBlockPositions = kernels::kKvTilePositions;
inline constexpr uint32_t kNoBlock = 0xFFFFFFFFu;

enum class StateKind : uint8_t { kPositions, kWindow, kRunning };

struct StateGroup {
  StateKind kind = StateKind::kPositions;
  std::vector<uint32_t>
      layers;              // layer indices, ascending; the i-th is at i * layer_bytes in a block
  uint32_t window = 0;     // kWindow: only the last `window` positions are read; else 0
  size_t layer_bytes = 0;  // with keys and values: kv_heads tiles
  size_t block_bytes = 0;  // layers.size() * layer_bytes, 64-byte aligned
};

// Places of `from` and `to` in the table of a running group.
inline constexpr uint32_t kRunningFrom = 0;
inline constexpr uint32_t kRunningTo = 1;

// The arenas: block b of group g starts at arena[g] + b * block_bytes of the group.
struct StateView {
  std::byte* arena[kStateGroupsMax] = {};
};

}  // namespace infe::model
