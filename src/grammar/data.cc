#include "grammar/data.h"

#include <algorithm>

#include "grammar/memory.h"

namespace infe::grammar {
namespace {

uint64_t Mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9E3779B97F4A7C15ull + (h << 6) + (h >> 2);
  return h * 0xD6E8FEB86659FD93ull;
}

bool Seen(const Data& data, uint32_t property) {
  const size_t word = property / 64;
  return word < data.seen.size() && ((data.seen[word] >> (property % 64)) & 1) != 0;
}

void MarkSeen(Data& data, uint32_t property) {
  const size_t word = property / 64;
  if (data.seen.size() <= word) data.seen.resize(word + 1);
  data.seen[word] |= uint64_t{1} << (property % 64);
}

uint32_t AddSaturated(uint32_t a, uint32_t b) {
  return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

uint32_t Times(uint32_t a, uint32_t b) {
  const uint64_t product = uint64_t{a} * b;
  return product > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(product);
}

// Without an upper bound a count matters only up to the lower one; stopping there makes the rows
// of a long list equal.
uint32_t CountUp(uint32_t count, uint32_t floor, uint32_t max) {
  if (max == kUnbounded && count >= floor) return count;
  return count + 1;
}

}  // namespace

DataStore::DataStore(const Program* program) : program_(program) {
  Intern({});
  texts_.emplace_back();  // kUnknownText
}

TextId DataStore::InternText(std::string_view text) {
  const auto [it, fresh] = known_texts_.emplace(std::string(text), texts_.size());
  if (fresh) {
    texts_.emplace_back(text);
    bytes_ += HeapBytes(it->first) + HeapBytes(texts_.back());
    if (fuel_ != nullptr) fuel_->Hold(HeapBytes(it->first) + HeapBytes(texts_.back()));
  }
  return it->second;
}

DataId DataStore::Intern(Data data) {
  uint64_t hash = Mix(data.count, data.hits);
  for (const uint64_t word : data.seen) hash = Mix(hash, word);
  for (const TextId id : data.used) hash = Mix(hash, id);
  const auto [begin, end] = known_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (values_[it->second] == data) return it->second;
  const auto id = static_cast<DataId>(values_.size());
  const size_t lists = HeapBytes(data.seen) + HeapBytes(data.used);
  bytes_ += lists;
  if (fuel_ != nullptr) fuel_->Hold(lists + sizeof(Data));
  values_.push_back(std::move(data));
  known_.emplace(hash, id);
  return id;
}

DataStore::ObjectView DataStore::ComputeView(const ObjectRule& rule, const Data& data) const {
  ObjectView view;
  const auto size = static_cast<uint32_t>(rule.properties.size());
  std::vector<bool> needed;
  if (rule.has_needs) {
    // Everything required, and whatever that needs in turn.
    needed.resize(size);
    std::vector<uint32_t> queue;
    for (uint32_t i = 0; i < size; ++i)
      if (rule.properties[i].required || Seen(data, i)) queue.push_back(i);
    for (size_t k = 0; k < queue.size(); ++k) {
      if (needed[queue[k]]) continue;
      needed[queue[k]] = true;
      const auto& needs = rule.properties[queue[k]].needs;
      queue.insert(queue.end(), needs.begin(), needs.end());
    }
  }
  for (uint32_t i = 0; i < size; ++i) {
    if (Seen(data, i)) {
      view.after_last = i + 1;
      continue;
    }
    view.possible += rule.properties[i].possible ? 1 : 0;
    if (rule.has_needs ? needed[i] : rule.properties[i].required) {
      if (view.missing < 2) (view.missing == 0 ? view.first_missing : view.second_missing) = i;
      ++view.missing;
      view.missing_bytes = AddSaturated(view.missing_bytes, rule.properties[i].bytes);
    }
  }
  if (rule.ordered && !data.used.empty()) view.after_last = size;  // undeclared keys come last
  return view;
}

const DataStore::ObjectView& DataStore::View(uint32_t rule, DataId data) {
  const uint64_t key = (uint64_t{rule} << 32) | data;
  const auto it = views_.find(key);
  if (it != views_.end()) return it->second;
  Spend(program_->objects[rule].properties.size() / 8 + 1);
  return views_.emplace(key, ComputeView(program_->objects[rule], values_[data])).first->second;
}

uint32_t DataStore::PossibleAfter(uint32_t rule, uint32_t property) {
  std::vector<uint32_t>& after = possible_after_[rule];
  if (after.empty()) {
    const auto& properties = program_->objects[rule].properties;
    after.resize(properties.size());
    for (size_t i = properties.size(); i-- > 1;)
      after[i - 1] = after[i] + (properties[i].possible ? 1 : 0);
    bytes_ += HeapBytes(after);
  }
  return after[property];
}

bool DataStore::KeyFits(uint32_t index, uint32_t property, DataId id) {
  const ObjectRule& rule = program_->objects[index];
  const Data& data = values_[id];
  if (Seen(data, property) || data.count >= rule.max) return false;
  const ObjectView& view = View(index, id);
  if (rule.ordered && (property < view.after_last || property > view.first_missing)) return false;
  if (rule.has_needs) return KeyFitsWithNeeds(rule, property, data);
  // What the view of the value behind the key would say, from that of the value before it: an
  // object of many keys asks this for each of them at each place.
  const bool was_missing = rule.properties[property].required;
  const uint32_t first = view.first_missing == property ? view.second_missing : view.first_missing;
  const uint32_t count = data.count + 1;
  if (rule.ordered && first < property) return false;  // its turn is over
  if (rule.max != kUnbounded &&
      AddSaturated(count, view.missing - (was_missing ? 1 : 0)) > rule.max)
    return false;
  if (rule.others) return true;
  const uint32_t left = rule.ordered ? PossibleAfter(index, property)
                                     : view.possible - (rule.properties[property].possible ? 1 : 0);
  return AddSaturated(count, left) >= rule.min;
}

bool DataStore::KeyFitsWithNeeds(const ObjectRule& rule, uint32_t property, const Data& data) {
  Spend(rule.properties.size() / 8 + 1);
  Data after = data;
  MarkSeen(after, property);
  ++after.count;
  const ObjectView next = ComputeView(rule, after);
  if (rule.ordered && next.first_missing < property) return false;  // its turn is over
  if (rule.max != kUnbounded && AddSaturated(after.count, next.missing) > rule.max) return false;
  if (!rule.others) {
    uint32_t left = 0;
    const auto size = static_cast<uint32_t>(rule.properties.size());
    for (uint32_t i = rule.ordered ? property + 1 : 0; i < size; ++i)
      left += !Seen(after, i) && rule.properties[i].possible;
    if (AddSaturated(after.count, left) < rule.min) return false;
  }
  return true;
}

bool DataStore::AnotherKeyFits(uint32_t index, DataId id) {
  const ObjectRule& rule = program_->objects[index];
  const Data& data = values_[id];
  if (data.count >= rule.max) return false;
  if (rule.others && AddSaturated(data.count + 1, View(index, id).missing) <= rule.max) return true;
  for (uint32_t i = 0; i < rule.properties.size(); ++i) {
    if (KeyFits(index, i, id)) return true;
    if (i % 16 == 15 && !Spend(1)) return false;
  }
  return false;
}

// Whether an array with so many items and hits can still be finished: some final length must leave
// room for the hits that are missing without forcing too many.
bool DataStore::ItemFits(const ArrayRule& rule, uint32_t count, uint32_t hits) {
  if (count > rule.max) return false;
  if (!rule.counts_hits) return true;
  if (hits > rule.max_hits) return false;
  const auto at = [](const std::vector<bool>& list, uint32_t i) {
    return static_cast<bool>(list[std::min<size_t>(i, list.size() - 1)]);
  };
  uint64_t possible = hits;
  uint64_t forced = hits;
  uint64_t length = count;
  // Position by position where they differ; the shortest length with enough hits forces the fewest.
  const uint64_t listed = std::max(rule.can_hit.size(), rule.can_miss.size());
  for (; length < listed && length <= rule.max; ++length) {
    if (length >= rule.min && possible >= rule.min_hits) return forced <= rule.max_hits;
    possible += at(rule.can_hit, static_cast<uint32_t>(length));
    forced += !at(rule.can_miss, static_cast<uint32_t>(length));
  }
  // From here on every item is like the last that is listed.
  const uint64_t hits_missing = rule.min_hits > possible ? rule.min_hits - possible : 0;
  if (hits_missing > 0 && !rule.can_hit.back()) return false;
  const uint64_t more = std::max(hits_missing, rule.min > length ? rule.min - length : 0);
  return length + more <= rule.max && forced + (rule.can_miss.back() ? 0 : more) <= rule.max_hits;
}

bool DataStore::Allows(NodeId node_id, const Transition& t, DataId id) {
  if (t.op == Op::kNone) return true;
  const Node& node = program_->nodes[node_id];
  const Data& data = values_[id];
  switch (t.op) {
    case Op::kNone:
      return true;
    case Op::kKey:
      return KeyFits(node.rule, t.arg, id);
    case Op::kOtherKey: {
      const ObjectRule& rule = program_->objects[node.rule];
      if (rule.ordered && View(node.rule, id).missing > 0) return false;
      return data.count < rule.max &&
             (rule.max == kUnbounded ||
              AddSaturated(data.count + 1, View(node.rule, id).missing) <= rule.max);
    }
    case Op::kMoreKeys:
      return AnotherKeyFits(node.rule, id);
    case Op::kCloseObject:
      return data.count >= program_->objects[node.rule].min && View(node.rule, id).missing == 0;
    case Op::kItem:
    case Op::kUniqueItem:
    case Op::kItemHit:
    case Op::kItemMiss: {
      const ArrayRule& rule = program_->arrays[node.rule];
      if (t.arg == kNoIndex ? data.count < rule.prefix : data.count != t.arg) return false;
      return ItemFits(rule, data.count + 1, data.hits + (t.op == Op::kItemHit ? 1 : 0));
    }
    case Op::kMoreItems: {
      const ArrayRule& rule = program_->arrays[node.rule];
      if (!rule.counts_hits) return data.count < rule.max;
      return ItemFits(rule, data.count + 1, data.hits) ||
             ItemFits(rule, data.count + 1, data.hits + 1);
    }
    case Op::kCloseArray: {
      const ArrayRule& rule = program_->arrays[node.rule];
      return data.count >= rule.min && data.hits >= rule.min_hits;
    }
    case Op::kRepeat:
      return data.count < program_->repeats[node.rule].max;
    case Op::kRepeatDone:
      return data.count >= program_->repeats[node.rule].min;
  }
  return false;
}

DataId DataStore::After(NodeId node_id, const Transition& t, DataId id, TextId text) {
  const Node& node = program_->nodes[node_id];
  switch (t.op) {
    case Op::kNone:
    case Op::kMoreKeys:
    case Op::kCloseObject:
    case Op::kMoreItems:
    case Op::kCloseArray:
    case Op::kRepeatDone:
      return id;
    case Op::kKey: {
      const ObjectRule& rule = program_->objects[node.rule];
      Data data = values_[id];
      MarkSeen(data, t.arg);
      data.count = CountUp(data.count, rule.min, rule.max);
      return Intern(std::move(data));
    }
    case Op::kOtherKey: {
      const ObjectRule& rule = program_->objects[node.rule];
      Data data = values_[id];
      data.count = CountUp(data.count, rule.min, rule.max);
      data.used.insert(std::upper_bound(data.used.begin(), data.used.end(), text), text);
      return Intern(std::move(data));
    }
    case Op::kItem:
    case Op::kItemHit:
    case Op::kItemMiss:
    case Op::kUniqueItem: {
      const ArrayRule& rule = program_->arrays[node.rule];
      Data data = values_[id];
      // Hits may still be missing when the count has passed its floor, so it goes on counting only
      // where positions or an upper bound need it.
      data.count = CountUp(data.count, std::max(rule.min, rule.prefix), rule.max);
      if (t.op == Op::kItemHit) data.hits = CountUp(data.hits, rule.min_hits, rule.max_hits);
      if (t.op == Op::kUniqueItem)
        data.used.insert(std::upper_bound(data.used.begin(), data.used.end(), text), text);
      return Intern(std::move(data));
    }
    case Op::kRepeat: {
      const RepeatRule& rule = program_->repeats[node.rule];
      Data data = values_[id];
      data.count = CountUp(data.count, rule.min, rule.max);
      return Intern(std::move(data));
    }
  }
  return id;
}

size_t DataStore::bytes() const {
  return bytes_ + values_.size() * sizeof(Data) + TableBytes(known_) +
         texts_.size() * sizeof(std::string) + TableBytes(known_texts_) + TableBytes(views_) +
         TableBytes(possible_after_);
}

uint32_t DataStore::BytesToEnd(StateId state_id, DataId id) {
  const State& state = program_->states[state_id];
  const Node& node = program_->nodes[state.node];
  uint32_t bytes = state.bytes_to_end;
  const Data& data = values_[id];
  switch (node.kind) {
    case Node::Kind::kPlain:
      break;
    case Node::Kind::kObject: {
      const ObjectRule& rule = program_->objects[node.rule];
      const ObjectView& view = View(node.rule, id);
      bytes = AddSaturated(bytes, AddSaturated(view.missing_bytes, view.missing));
      const uint32_t total = data.count + view.missing;
      if (total < rule.min)
        bytes = AddSaturated(bytes, Times(rule.min - total, AddSaturated(rule.other_bytes, 1)));
      break;
    }
    case Node::Kind::kArray: {
      const ArrayRule& rule = program_->arrays[node.rule];
      const auto listed = static_cast<uint32_t>(rule.item_bytes.size());
      uint32_t i = data.count;
      for (; i < rule.min && i < listed; ++i)
        bytes = AddSaturated(bytes, AddSaturated(rule.item_bytes[i], 1));
      if (i < rule.min)
        bytes = AddSaturated(bytes, Times(rule.min - i, AddSaturated(rule.item_bytes.back(), 1)));
      break;
    }
    case Node::Kind::kRepeat: {
      const RepeatRule& rule = program_->repeats[node.rule];
      if (data.count < rule.min)
        bytes = AddSaturated(bytes, Times(rule.min - data.count, rule.bytes));
      break;
    }
  }
  return bytes;
}

}  // namespace infe::grammar
