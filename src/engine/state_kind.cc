#include "engine/state_kind.h"

namespace infe::engine {

using model::kBlockPositions;
using model::StateGroup;
using model::StateKind;

uint32_t BlocksFor(const StateGroup& group, uint32_t positions) {
  switch (group.kind) {
    case StateKind::kPositions:
    case StateKind::kWindow:
      return (positions + kBlockPositions - 1) / kBlockPositions;
    case StateKind::kRunning:
      return model::kRunningTo + 1;
  }
  __builtin_unreachable();
}

uint32_t Passed(const StateGroup& group, uint32_t computed) {
  switch (group.kind) {
    case StateKind::kPositions:
      return 0;
    case StateKind::kWindow:
      // The next token attends to itself and window - 1 positions before it.
      return computed < group.window ? 0 : (computed - group.window + 1) / kBlockPositions;
    case StateKind::kRunning:
      return model::kRunningTo;  // `to` is the next step's `from`
  }
  __builtin_unreachable();
}

}  // namespace infe::engine
