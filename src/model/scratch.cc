#include "model/scratch.h"

#include <algorithm>

namespace infe::model {
namespace {

constexpr size_t kAlignment = 256;

size_t Aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

BufferId BufferPlan::Bytes(std::string_view name, size_t bytes) {
  auto found =
      std::find_if(needs_.begin(), needs_.end(), [&](const Need& n) { return n.name == name; });
  if (found == needs_.end()) found = needs_.insert(needs_.end(), {std::string(name), 0});
  found->bytes = std::max(found->bytes, bytes);
  return static_cast<BufferId>(found - needs_.begin());
}

size_t BufferPlan::total() const {
  size_t bytes = 0;
  for (const Need& need : needs_) bytes += Aligned(need.bytes);
  return bytes;
}

Buffers::Buffers(const BufferPlan& plan) {
  memory_ = HugeBuffer(plan.total());
  size_t at = 0;
  for (const auto& need : plan.needs_) {
    at_.push_back(need.bytes == 0 ? nullptr : memory_.data() + at);
    at += Aligned(need.bytes);
  }
}

Scratch::Scratch(const ScratchPlan& plan, uint32_t thread_count) : shared(plan.shared) {
  threads.reserve(thread_count);
  for (uint32_t t = 0; t < thread_count; ++t) threads.emplace_back(plan.own);
}

}  // namespace infe::model
