// What the kinds of state differ in, for whoever keeps books of them: three questions, each
// answered once per kind. Everything else about groups is the same for all.
#pragma once

#include <cstdint>

#include "model/state.h"

namespace infe::engine {

// Entries of the block table of a sequence that has computed `positions` positions, or is about to.
// >= 1 position.
uint32_t BlocksFor(const model::StateGroup& group, uint32_t positions);

// Entries at the beginning of that table which nothing reads any more once `computed` positions
// are. Of positions and windows they stay, empty, in the table; of a running state the table begins
// behind them.
uint32_t Passed(const model::StateGroup& group, uint32_t computed);

// Whether a sequence could go on behind the first `length` (>= 1) blocks of a known prefix.
// has(i): the group's block of the prefix's i-th block is there, i < length.
template <typename Has>
bool CanResumeAt(const model::StateGroup& group, uint32_t length, const Has& has) {
  switch (group.kind) {
    case model::StateKind::kPositions:
    case model::StateKind::kWindow:
      for (uint32_t i = length; i > Passed(group, length * model::kBlockPositions); --i) {
        if (!has(i - 1)) return false;
        // A remembered path has the blocks of all its positions (prefix_tree.h).
        if (group.kind == model::StateKind::kPositions) return true;
      }
      return true;
    case model::StateKind::kRunning:
      return has(length - 1);  // the snapshot behind the last token
  }
  __builtin_unreachable();
}

}  // namespace infe::engine
