#include "model/state_plan.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/check.h"

namespace infe::model {
namespace {

constexpr size_t kBlockAlignment = 64;

bool Before(const StateNeed& a, const StateNeed& b) {
  return std::tie(a.kind, a.window, a.bytes) < std::tie(b.kind, b.window, b.bytes);
}

}  // namespace

void StatePlan::Need(uint32_t layer, const StateNeed& need, StateSlot* slot) {
  entries_.push_back({layer, need, slot});
}

void StatePlan::Share(uint32_t of_layer, StateSlot* slot) {
  sharers_.push_back({of_layer, slot});
}

Result<std::vector<StateGroup>> StatePlan::Finish() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return Before(a.need, b.need); });
  std::vector<StateGroup> groups;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (i == 0 || !(entry.need == entries_[i - 1].need)) {
      groups.push_back({.kind = entry.need.kind,
                        .layers = {},
                        .window = entry.need.window,
                        .layer_bytes = entry.need.bytes});
    }
    StateGroup& group = groups.back();
    *entry.slot = {.group = static_cast<uint32_t>(groups.size() - 1),
                   .offset = group.layers.size() * group.layer_bytes};
    group.layers.push_back(entry.layer);
  }
  for (const Sharer& sharer : sharers_) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.layer == sharer.of_layer;
    });
    INFE_CHECK(found != entries_.end());
    *sharer.slot = *found->slot;
  }
  if (groups.size() > kStateGroupsMax) {
    return Unsupported(fmt::format("layers of {} kinds of memory are not supported; up to {} are",
                                   groups.size(), kStateGroupsMax));
  }
  for (StateGroup& group : groups) {
    group.block_bytes = (group.layers.size() * group.layer_bytes + kBlockAlignment - 1) /
                        kBlockAlignment * kBlockAlignment;
  }
  return groups;
}

}  // namespace infe::model
