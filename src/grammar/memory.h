// How much memory the standard containers hold: what malloc gives, not what was asked for. Running
// grammars count themselves with these, since a bound on memory is only as good as its count.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace infe::grammar {

// Of one block of malloc: a word of its own in front, in steps of two words, four at least.
constexpr size_t BlockBytes(size_t asked) {
  constexpr size_t kWord = sizeof(void*);
  const size_t whole = (asked + kWord + 2 * kWord - 1) / (2 * kWord) * (2 * kWord);
  return whole < 4 * kWord ? 4 * kWord : whole;
}

template <typename T>
size_t HeapBytes(const std::vector<T>& list) {
  return list.capacity() == 0 ? 0 : BlockBytes(list.capacity() * sizeof(T));
}
inline size_t HeapBytes(const std::string& text) {
  return text.capacity() < sizeof(std::string) / 2 ? 0 : BlockBytes(text.capacity() + 1);
}

// Of a hash map or set without what its values hold: a node per element (a pointer, the value, and
// a hash where that is kept) and the buckets.
template <typename Table>
size_t TableBytes(const Table& table) {
  using Value = typename Table::value_type;
  return table.size() * BlockBytes(sizeof(void*) + sizeof(Value)) +
         (table.bucket_count() > 1 ? BlockBytes(table.bucket_count() * sizeof(void*)) : 0);
}

}  // namespace infe::grammar
