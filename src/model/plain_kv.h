// Memory of a few sequences without sharing or eviction: one arena per group, blocks in order, two
// snapshots of running states that take turns. For whole-text jobs (perplexity) and tests; serving
// uses engine's block pool.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "base/memory.h"
#include "model/model.h"
#include "model/state.h"

namespace infe::model {

class PlainKv {
 public:
  PlainKv(std::span<const StateGroup> groups, uint32_t sequences, uint32_t positions_max)
      : blocks_per_sequence_((positions_max + kBlockPositions - 1) / kBlockPositions),
        table_(size_t{sequences} * blocks_per_sequence_),
        snapshots_(sequences) {
    std::iota(table_.begin(), table_.end(), 0u);
    for (size_t g = 0; g < groups.size(); ++g) {
      running_.push_back(groups[g].kind == StateKind::kRunning);
      const size_t blocks = running_[g] ? 2 * size_t{sequences} : table_.size();
      arenas_.emplace_back(groups[g].block_bytes * blocks);
      view_.arena[g] = arenas_.back().data();
    }
  }

  const StateView& view() const { return view_; }
  // Blocks of the arena of a group.
  size_t blocks(size_t group) const {
    return running_[group] ? 2 * snapshots_.size() : table_.size();
  }
  // The block table of one sequence, the same in every group of positions.
  std::span<const uint32_t> Blocks(uint32_t sequence) const {
    return std::span(table_).subspan(size_t{sequence} * blocks_per_sequence_, blocks_per_sequence_);
  }
  // The tables of a sequence's next item, whose position is set: once for each step it is in. They
  // hold until the next one's.
  void Fill(BatchItem& item, uint32_t sequence) {
    Snapshots& s = snapshots_[sequence];
    const uint32_t last = s.table[kRunningTo];
    s.table[kRunningTo] = last == 2 * sequence ? last + 1 : 2 * sequence;
    s.table[kRunningFrom] = item.position == 0 ? kNoBlock : 4 * sequence + 1 - s.table[kRunningTo];
    for (size_t g = 0; g < running_.size(); ++g) {
      item.blocks[g] = running_[g] ? std::span<const uint32_t>(s.table) : Blocks(sequence);
    }
  }

 private:
  struct Snapshots {
    uint32_t table[2] = {kNoBlock, kNoBlock};
  };
  size_t blocks_per_sequence_;
  std::vector<uint32_t> table_;
  std::vector<Snapshots> snapshots_;
  std::vector<bool> running_;
  std::vector<HugeBuffer> arenas_;
  StateView view_;
};

}  // namespace infe::model
