// The older names of state.h, for the files that still use them.
#pragma once

#include "model/state.h"

namespace infe::model {

inline constexpr uint32_t kKvGroupsMax = kStateGroupsMax;
using KvGroup = StateGroup;
using KvView = StateView;

}  // namespace infe::model
