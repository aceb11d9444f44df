#include "tokenizer/merge.h"

#include <algorithm>

namespace infe::tokenizer {

void KeyHeap::Sink(size_t hole, uint64_t key) {
  const size_t size = keys_.size();
  while (true) {
    const size_t first = hole * kChildren + 1;
    if (first >= size) break;
    const size_t end = std::min(first + kChildren, size);
    size_t least = first;
    for (size_t child = first + 1; child < end; ++child)
      if (keys_[child] < keys_[least]) least = child;
    if (keys_[least] >= key) break;
    keys_[hole] = keys_[least];
    hole = least;
  }
  keys_[hole] = key;
}

void KeyHeap::Order() {
  if (keys_.size() < 2) return;
  for (size_t i = (keys_.size() - 2) / kChildren + 1; i-- > 0;) Sink(i, keys_[i]);
}

void KeyHeap::Push(uint64_t key) {
  size_t hole = keys_.size();
  keys_.push_back(key);
  while (hole > 0) {
    const size_t parent = (hole - 1) / kChildren;
    if (keys_[parent] <= key) break;
    keys_[hole] = keys_[parent];
    hole = parent;
  }
  keys_[hole] = key;
}

uint64_t KeyHeap::Pop() {
  const uint64_t least = keys_.front();
  const uint64_t last = keys_.back();
  keys_.pop_back();
  if (!keys_.empty()) Sink(0, last);
  return least;
}

}  // namespace infe::tokenizer
