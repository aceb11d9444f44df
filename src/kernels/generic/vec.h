// One lane, for the algorithms of kernels/vec/: plain C++ for any CPU. Nothing is fused, so bits
// differ from the vector ISAs'.
#pragma once

#include <bit>
#include <cmath>

#include "kernels/vec/vec.h"

namespace infe::kernels::generic {
namespace {

struct Vec {
  static constexpr uint32_t kLanes = 1;
  float v;

  // x + kMagic has no room for a fraction, and the integer in its low mantissa bits; |x| < 2^22.
  static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23

  static Vec All(float x) { return {x}; }
  static Vec Load(const float* from) { return {*from}; }
  void Store(float* to) const { *to = v; }
  static Vec LoadFirst(const float* from, uint32_t count) { return {count > 0 ? *from : 0.0f}; }
  void StoreFirst(float* to, uint32_t count) const {
    if (count > 0) *to = v;
  }
  void StoreInt8(int8_t* to) const {
    *to =
        static_cast<int8_t>(std::bit_cast<uint32_t>(v + kMagic) - std::bit_cast<uint32_t>(kMagic));
  }
  static float Root(float x) { return std::sqrt(x); }
};

inline Vec operator+(Vec a, Vec b) {
  return {a.v + b.v};
}
inline Vec operator-(Vec a, Vec b) {
  return {a.v - b.v};
}
inline Vec operator*(Vec a, Vec b) {
  return {a.v * b.v};
}
inline Vec operator/(Vec a, Vec b) {
  return {a.v / b.v};
}
inline Vec MulAdd(Vec a, Vec b, Vec c) {
  return {a.v * b.v + c.v};
}
inline Vec MulSub(Vec a, Vec b, Vec c) {
  return {a.v * b.v - c.v};
}
inline Vec NegMulAdd(Vec a, Vec b, Vec c) {
  return {c.v - a.v * b.v};
}
inline Vec Max(Vec a, Vec b) {
  return a.v > b.v ? a : b;
}
inline Vec Min(Vec a, Vec b) {
  return a.v < b.v ? a : b;
}
inline Vec Abs(Vec a) {
  return {std::fabs(a.v)};
}
inline Vec Round(Vec a) {
  return {a.v + Vec::kMagic - Vec::kMagic};
}
inline Vec PowerOfTwo(Vec a) {
  return {std::bit_cast<float>((static_cast<int32_t>(a.v) + 127) << 23)};
}
inline float FirstLane(Vec a) {
  return a.v;
}
inline float LargestLane(Vec a) {
  return a.v;
}

}  // namespace
}  // namespace infe::kernels::generic
