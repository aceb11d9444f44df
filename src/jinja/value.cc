#include "jinja/value.h"

#include <utility>

#include "jinja/error.h"
#include "jinja/operators.h"

namespace infe::jinja {
namespace {

// Below this a walk over the members is faster than hashing.
constexpr size_t kIndexedFrom = 12;

}  // namespace

std::optional<size_t> DictObject::Position(const Value& key) const {
  SpendTicks(kTurnTicks + (key.is_string() ? key.view().size() : 0));
  if (items.size() < kIndexedFrom && key.is_string()) {
    for (size_t i = 0; i < items.size(); ++i)
      if (items[i].first.is_string() && items[i].first.view() == key.view()) return i;
    return std::nullopt;
  }
  const std::string hash_key = HashKey(key);
  if (items.size() >= kIndexedFrom) {
    const auto found = index_.find(hash_key);
    return found == index_.end() ? std::nullopt : std::optional(found->second);
  }
  for (size_t i = 0; i < items.size(); ++i)
    if (HashKey(items[i].first) == hash_key) return i;
  return std::nullopt;
}

const Value* DictObject::Find(std::string_view key) const {
  if (items.size() < kIndexedFrom) {
    SpendTicks(kTurnTicks + key.size());
    for (const auto& [name, value] : items)
      if (name.is_string() && name.view() == key) return &value;
    return nullptr;
  }
  return Find(Value::Plain(std::string(key)));
}

const Value* DictObject::Find(const Value& key) const {
  const std::optional<size_t> at = Position(key);
  return at ? &items[*at].second : nullptr;
}

void DictObject::Set(Value key, Value value) {
  if (const std::optional<size_t> at = Position(key)) {
    items[*at].second = std::move(value);
    return;
  }
  // A member, its place in the index and the index's copy of the key.
  SpendTicks(kMakingTicks);
  held_.Set(held_bytes_ += 2 * sizeof(Value) + (key.is_string() ? key.view().size() : 16) + 64);
  items.emplace_back(std::move(key), std::move(value));
  if (items.size() == kIndexedFrom) {
    for (size_t i = 0; i < items.size(); ++i) index_.emplace(HashKey(items[i].first), i);
  } else if (items.size() > kIndexedFrom) {
    index_.emplace(HashKey(items.back().first), items.size() - 1);
  }
}

bool IteratorObject::Next(Value& item) {
  if (next < items.size()) {
    item = items[next++];
    return true;
  }
  if (failure) Fail(*std::exchange(failure, std::nullopt));
  return false;
}

int64_t RangeObject::size() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

}  // namespace infe::jinja
