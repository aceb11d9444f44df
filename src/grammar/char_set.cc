#include "grammar/char_set.h"

#include <algorithm>

namespace infe::grammar {

CharSet CharSet::Range(uint32_t lo, uint32_t hi) {
  CharSet set;
  if (lo <= hi) set.ranges_.push_back({lo, hi});
  return set;
}

CharSet CharSet::Of(std::vector<CharRange> ranges) {
  CharSet set;
  set.ranges_ = std::move(ranges);
  set.Normalise();
  return set;
}

void CharSet::Add(uint32_t lo, uint32_t hi) {
  if (lo > hi) return;
  const bool in_order = ranges_.empty() || ranges_.back().hi < lo;
  if (in_order && !ranges_.empty() && ranges_.back().hi + 1 == lo) {
    ranges_.back().hi = hi;
    return;
  }
  ranges_.push_back({lo, hi});
  if (!in_order) Normalise();
}

void CharSet::Add(const CharSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  Normalise();
}

void CharSet::Normalise() {
  std::sort(ranges_.begin(), ranges_.end(),
            [](const CharRange& a, const CharRange& b) { return a.lo < b.lo; });
  std::vector<CharRange> merged;
  for (const CharRange& r : ranges_) {
    if (!merged.empty() && r.lo <= merged.back().hi + 1) {
      merged.back().hi = std::max(merged.back().hi, r.hi);
    } else {
      merged.push_back(r);
    }
  }
  ranges_ = std::move(merged);
}

CharSet CharSet::Complement() const {
  CharSet result;
  uint32_t next = 0;
  for (const CharRange& r : ranges_) {
    if (r.lo > next) result.ranges_.push_back({next, r.lo - 1});
    next = r.hi + 1;
  }
  if (next <= kCodePointMax) result.ranges_.push_back({next, kCodePointMax});
  return result;
}

CharSet CharSet::Intersect(const CharSet& other) const {
  CharSet result;
  size_t i = 0;
  size_t j = 0;
  while (i < ranges_.size() && j < other.ranges_.size()) {
    const uint32_t lo = std::max(ranges_[i].lo, other.ranges_[j].lo);
    const uint32_t hi = std::min(ranges_[i].hi, other.ranges_[j].hi);
    if (lo <= hi) result.ranges_.push_back({lo, hi});
    if (ranges_[i].hi < other.ranges_[j].hi) {
      ++i;
    } else {
      ++j;
    }
  }
  return result;
}

CharSet CharSet::WithoutSurrogates() const {
  CharSet scalars;
  scalars.ranges_ = {{0, 0xD7FF}, {0xE000, kCodePointMax}};
  return Intersect(scalars);
}

bool CharSet::Contains(uint32_t code_point) const {
  for (const CharRange& r : ranges_)
    if (code_point >= r.lo && code_point <= r.hi) return true;
  return false;
}

}  // namespace infe::grammar
