#include "engine/ngram_index.h"

#include <algorithm>

namespace infe::engine {
namespace {

uint64_t Hash(const TokenId* tokens) {
  uint64_t h = 0x9E3779B97F4A7C15u;
  for (uint32_t i = 0; i < NgramIndex::kNgram; ++i) {
    h = (h ^ tokens[i]) * 0xFF51AFD7ED558CCDu;
    h ^= h >> 32;
  }
  return h;
}

}  // namespace

void NgramIndex::Clear() {
  *this = NgramIndex();
}

void NgramIndex::Extend(std::span<const TokenId> text) {
  // The n-gram at the very end has no continuation yet and would only find itself.
  for (uint32_t end = std::max(extended_, kNgram); end < text.size(); ++end) {
    Insert(Hash(text.data() + end - kNgram), end);
    extended_ = end + 1;
  }
}

void NgramIndex::Insert(uint64_t hash, uint32_t position) {
  if (2 * (used_ + 1) > slots_.size()) Grow();
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].position != 0 && slots_[i].hash != hash) i = (i + 1) & mask;
  if (slots_[i].position == 0) ++used_;
  slots_[i] = {hash, position};
}

void NgramIndex::Grow() {
  std::vector<Slot> old(std::max<size_t>(256, 2 * slots_.size()));
  old.swap(slots_);
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.position != 0) Insert(slot.hash, slot.position);
  }
}

NgramIndex::Match NgramIndex::Find(std::span<const TokenId> text,
                                   std::span<const TokenId> tail) const {
  if (slots_.empty() || tail.size() < kNgram) return {};
  const uint64_t hash = Hash(tail.data() + tail.size() - kNgram);
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].position != 0 && slots_[i].hash != hash) i = (i + 1) & mask;
  const uint32_t position = slots_[i].position;
  if (position == 0) return {};
  uint32_t length = 0;
  while (length < kLengthMax && length < position && length < tail.size() &&
         text[position - 1 - length] == tail[tail.size() - 1 - length]) {
    ++length;
  }
  if (length < kNgram) return {};
  return {position, length};
}

}  // namespace infe::engine
