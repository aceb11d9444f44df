// Eight lanes, for the algorithms of kernels/vec/. Included by files compiled for AVX2 only.
#pragma once

#include <immintrin.h>

#include "kernels/vec/vec.h"

namespace infe::kernels::avx2 {
namespace {

inline float LargestOf(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  m = _mm_max_ss(m, _mm_movehdup_ps(m));
  return _mm_cvtss_f32(m);
}

inline float SumOf(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  s = _mm_add_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}

// The first `count` (0..8) of eight lanes.
inline __m256i FirstLanes(uint32_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

struct Vec {
  static constexpr uint32_t kLanes = 8;
  struct Mask {
    __m256 lanes;
  };
  __m256 v;

  static inline Vec All(float x) { return {_mm256_set1_ps(x)}; }
  static inline Vec Load(const float* from) { return {_mm256_loadu_ps(from)}; }
  inline void Store(float* to) const { _mm256_storeu_ps(to, v); }
  static inline Vec LoadFirst(const float* from, uint32_t count) {
    return {_mm256_maskload_ps(from, FirstLanes(count))};
  }
  inline void StoreFirst(float* to, uint32_t count) const {
    _mm256_maskstore_ps(to, FirstLanes(count), v);
  }
  inline void StoreInt8(int8_t* to) const {
    const __m256i q = _mm256_cvtps_epi32(v);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(words, words));
  }
  static inline Mask Between(uint32_t first, uint32_t begin, uint32_t end) {
    const __m256i at = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                        _mm256_set1_epi32(static_cast<int32_t>(first)));
    const __m256i last = _mm256_set1_epi32(static_cast<int32_t>(end));
    const __m256i before = _mm256_set1_epi32(static_cast<int32_t>(begin) - 1);
    return {_mm256_castsi256_ps(
        _mm256_and_si256(_mm256_cmpgt_epi32(last, at), _mm256_cmpgt_epi32(at, before)))};
  }
  static inline float Root(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }
};

inline Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.v, b.v)};
}
inline Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.v, b.v)};
}
inline Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.v, b.v)};
}
inline Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.v, b.v)};
}
inline Vec MulAdd(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
inline Vec MulSub(Vec a, Vec b, Vec c) {
  return {_mm256_fmsub_ps(a.v, b.v, c.v)};
}
inline Vec NegMulAdd(Vec a, Vec b, Vec c) {
  return {_mm256_fnmadd_ps(a.v, b.v, c.v)};
}
inline Vec Max(Vec a, Vec b) {
  return {_mm256_max_ps(a.v, b.v)};
}
inline Vec Min(Vec a, Vec b) {
  return {_mm256_min_ps(a.v, b.v)};
}
inline Vec Abs(Vec a) {
  return {_mm256_and_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)))};
}
inline Vec Round(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vec PowerOfTwo(Vec a) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(a.v), _mm256_set1_epi32(127));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(biased, 23))};
}
inline Vec Where(Vec::Mask mask, Vec a, Vec b) {
  return {_mm256_blendv_ps(b.v, a.v, mask.lanes)};
}
inline Vec WhereOrZero(Vec::Mask mask, Vec a) {
  return {_mm256_and_ps(a.v, mask.lanes)};
}
inline float FirstLane(Vec a) {
  return _mm256_cvtss_f32(a.v);
}
inline float LargestLane(Vec a) {
  return LargestOf(a.v);
}
inline float Max32(const Vec (&x)[4]) {
  return LargestLane(Max(Max(x[0], x[1]), Max(x[2], x[3])));
}
inline float Sum32(const Vec (&x)[4]) {
  return SumOf(((x[0] + x[1]) + (x[2] + x[3])).v);
}

}  // namespace
}  // namespace infe::kernels::avx2
