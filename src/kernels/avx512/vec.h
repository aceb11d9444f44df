// Sixteen lanes, for the algorithms of kernels/vec/: lane for lane the operations of avx2/vec.h.
// Included by avx512/*.cc only.
#pragma once

#include "kernels/avx512/intrinsics.h"
// Reductions end in eight lanes.
#include "kernels/avx2/vec.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

struct Vec {
  static constexpr uint32_t kLanes = 16;
  using Mask = __mmask16;
  __m512 v;

  // The first `count` (0..16) of sixteen lanes.
  static inline Mask First(uint32_t count) {
    return static_cast<__mmask16>((uint32_t{1} << count) - 1);
  }
  static inline Vec All(float x) { return {_mm512_set1_ps(x)}; }
  static inline Vec Load(const float* from) { return {_mm512_loadu_ps(from)}; }
  inline void Store(float* to) const { _mm512_storeu_ps(to, v); }
  static inline Vec LoadFirst(const float* from, uint32_t count) {
    return {_mm512_maskz_loadu_ps(First(count), from)};
  }
  inline void StoreFirst(float* to, uint32_t count) const {
    _mm512_mask_storeu_ps(to, First(count), v);
  }
  inline void StoreInt8(int8_t* to) const {
    avx2::Vec{_mm512_castps512_ps256(v)}.StoreInt8(to);
    avx2::Vec{_mm512_extractf32x8_ps(v, 1)}.StoreInt8(to + 8);
  }
  static inline Mask Between(uint32_t first, uint32_t begin, uint32_t end) {
    // Lane numbers are below 32.
    const uint64_t lanes = ((uint64_t{1} << end) - 1) & ~((uint64_t{1} << begin) - 1);
    return static_cast<__mmask16>(lanes >> first);
  }
  static inline float Root(float x) { return avx2::Vec::Root(x); }
};

inline Vec operator+(Vec a, Vec b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline Vec operator-(Vec a, Vec b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
inline Vec operator*(Vec a, Vec b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline Vec operator/(Vec a, Vec b) {
  return {_mm512_div_ps(a.v, b.v)};
}
inline Vec MulAdd(Vec a, Vec b, Vec c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline Vec MulSub(Vec a, Vec b, Vec c) {
  return {_mm512_fmsub_ps(a.v, b.v, c.v)};
}
inline Vec NegMulAdd(Vec a, Vec b, Vec c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
inline Vec Max(Vec a, Vec b) {
  return {_mm512_max_ps(a.v, b.v)};
}
inline Vec Min(Vec a, Vec b) {
  return {_mm512_min_ps(a.v, b.v)};
}
inline Vec Abs(Vec a) {
  return {_mm512_abs_ps(a.v)};
}
inline Vec Round(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vec PowerOfTwo(Vec a) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
}
inline Vec Where(Vec::Mask mask, Vec a, Vec b) {
  return {_mm512_mask_mov_ps(b.v, mask, a.v)};
}
inline Vec WhereOrZero(Vec::Mask mask, Vec a) {
  return {_mm512_maskz_mov_ps(mask, a.v)};
}
inline avx2::Vec SumOfHalves(Vec a) {
  return {_mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1))};
}
inline float FirstLane(Vec a) {
  return _mm_cvtss_f32(_mm512_castps512_ps128(a.v));
}
inline float LargestLane(Vec a) {
  return avx2::LargestOf(
      _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)));
}
inline float Max32(const Vec (&x)[2]) {
  return LargestLane(Max(x[0], x[1]));
}
inline float Sum32(const Vec (&x)[2]) {
  return avx2::SumOf((SumOfHalves(x[0]) + SumOfHalves(x[1])).v);
}

}  // namespace
}  // namespace infe::kernels::INFE_AVX512_NAMESPACE
