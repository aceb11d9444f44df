// KV memory of a few sequences without sharing or eviction: one arena per group, blocks in order.
// For whole-text jobs (perplexity) and tests; serving uses engine's block pool.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "base/memory.h"
#include "model/state.h"

namespace infe::model {

class PlainKv {
 public:
  PlainKv(std::span<const StateGroup> groups, uint32_t sequences, uint32_t positions_max)
      : blocks_per_sequence_((positions_max + kBlockPositions - 1) / kBlockPositions),
        table_(size_t{sequences} * blocks_per_sequence_) {
    std::iota(table_.begin(), table_.end(), 0u);
    for (size_t g = 0; g < groups.size(); ++g) {
      arenas_.emplace_back(groups[g].block_bytes * table_.size());
      view_.arena[g] = arenas_.back().data();
    }
  }

  const StateView& view() const { return view_; }
  // The block table of one sequence, the same in every group.
  std::span<const uint32_t> Blocks(uint32_t sequence) const {
    return std::span(table_).subspan(size_t{sequence} * blocks_per_sequence_, blocks_per_sequence_);
  }

 private:
  size_t blocks_per_sequence_;
  std::vector<uint32_t> table_;
  std::vector<HugeBuffer> arenas_;
  StateView view_;
};

}  // namespace infe::model
