// A set of Unicode code points as sorted ranges that neither overlap nor touch. Surrogates are
// never members of a set used by a regex: no text of ours contains them.
#pragma once

#include <cstdint>
#include <vector>

namespace infe::grammar {

inline constexpr uint32_t kCodePointMax = 0x10FFFF;

struct CharRange {
  uint32_t lo = 0;
  uint32_t hi = 0;  // inclusive
  bool operator==(const CharRange&) const = default;
};

class CharSet {
 public:
  CharSet() = default;
  static CharSet Of(uint32_t code_point) { return Range(code_point, code_point); }
  static CharSet Range(uint32_t lo, uint32_t hi);
  static CharSet Of(std::vector<CharRange> ranges);  // in any order, overlapping or not
  static CharSet All() { return Range(0, kCodePointMax); }

  void Add(uint32_t lo, uint32_t hi);  // keeps the order; cheap when added in order
  void Add(const CharSet& other);
  CharSet Complement() const;  // within Unicode
  CharSet Intersect(const CharSet& other) const;
  CharSet WithoutSurrogates() const;

  bool Contains(uint32_t code_point) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<CharRange>& ranges() const { return ranges_; }
  bool operator==(const CharSet&) const = default;

 private:
  void Normalise();
  std::vector<CharRange> ranges_;
};

}  // namespace infe::grammar
