// Collects what the layers keep between steps and sorts it into groups (state.h): layers whose
// state is alike share blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/state.h"

namespace infe::model {

struct StateNeed {
  StateKind kind = StateKind::kPositions;
  uint32_t window = 0;  // of kWindow
  size_t bytes = 0;     // of one block: of kBlockPositions positions, or of one snapshot

  bool operator==(const StateNeed&) const = default;
};

// Where a layer's state lies: at offset `offset` of each block of group `group`.
struct StateSlot {
  uint32_t group = 0;
  size_t offset = 0;
};

class StatePlan {
 public:
  // The slot is filled by Finish; until then it must stay where it is.
  void Need(uint32_t layer, const StateNeed& need, StateSlot* slot);
  // A layer that reads what an earlier one keeps: its slot becomes that one's.
  void Share(uint32_t of_layer, StateSlot* slot);

  // Positions first, the group that every sequence pays for in full; then windows, shortest first;
  // then running states. kUnsupported if there are more groups than kStateGroupsMax.
  Result<std::vector<StateGroup>> Finish();

 private:
  struct Entry {
    uint32_t layer;
    StateNeed need;
    StateSlot* slot;
  };
  struct Sharer {
    uint32_t of_layer;
    StateSlot* slot;
  };
  std::vector<Entry> entries_;
  std::vector<Sharer> sharers_;
};

}  // namespace infe::model
