// From packed panels to vectors of codes and scales (panels/layout.h), 16 rows x 4 columns a
// vector. Included by avx512/*.cc only, with internal linkage, as avx2/panel_codes.h explains.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/avx512/intrinsics.h"
#include "kernels/panels/by_format.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

constexpr uint32_t kLanes = 16;
constexpr uint32_t kPanels = kPanelStripeRows / kLanes;

template <PanelFormat f>
constexpr uint32_t kPanelBytes = kLanes * PanelBytesPerLane(f);

// What is added to signed codes to make them unsigned, and the other offsets: what a product of
// unsigned codes has too much, in units of the sum of x.
template <PanelFormat f>
constexpr int kOffset = HasSignedCodes(f) ? 128 : CodeOffset(f);

inline __m512i Load(const void* p) {
  return _mm512_loadu_si512(p);
}
inline __m512i Broadcast32(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}

// 16 bytes for a look-up by nibbles.
inline __m512i Table(const void* entries) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(entries)));
}

// codes | (plane & mask).
inline __m512i OrMasked(__m512i codes, __m512i plane, int mask) {
  return _mm512_ternarylogic_epi32(plane, _mm512_set1_epi8(static_cast<char>(mask)), codes, 0xea);
}

// The unsigned codes of step k of a panel.
template <PanelFormat f, int k>
inline __m512i Codes(const uint8_t* panel) {
  if constexpr (CodeBits(f) == 8) {
    return _mm512_xor_si512(Load(panel + 64 * k), _mm512_set1_epi8(static_cast<char>(0x80)));
  } else {
    __m512i codes = Load(panel + 64 * (k % 4));
    if constexpr (k >= 4) codes = _mm512_srli_epi16(codes, 4);
    codes = _mm512_and_si512(codes, _mm512_set1_epi8(15));
    if constexpr (CodeBits(f) == 5) {  // bit k of every byte, moved to bit 4
      __m512i plane = Load(panel + 256);
      if constexpr (k < 4) plane = _mm512_slli_epi16(plane, 4 - k);
      if constexpr (k > 4) plane = _mm512_srli_epi16(plane, k - 4);
      codes = OrMasked(codes, plane, 0x10);
    }
    if constexpr (CodeBits(f) == 6) {  // bits 2 j and 2 j + 1, moved to bits 4 and 5
      constexpr int j = k % 4;
      __m512i plane = Load(panel + 256 + 64 * (k / 4));
      if constexpr (j < 2) plane = _mm512_slli_epi16(plane, 4 - 2 * j);
      if constexpr (j > 2) plane = _mm512_srli_epi16(plane, 2 * j - 4);
      codes = OrMasked(codes, plane, 0x30);
    }
    if constexpr (f.code == CodeShape::kFloatTable)
      codes = _mm512_shuffle_epi8(Table(kFloatTable), codes);
    if constexpr (f.code == CodeShape::kCurveTable)
      codes = _mm512_xor_si512(_mm512_shuffle_epi8(Table(kCurveTable), codes),
                               _mm512_set1_epi8(static_cast<char>(0x80)));
    return codes;
  }
}

inline __m512 HalfToFloat(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m512 BytesToFloat(const uint8_t* p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline __m512 SignedBytesToFloat(const uint8_t* p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

// 2^(e - 128) for 16 bytes e, as avx2/panel_codes.h says.
inline __m512 PowersOfTwo(const uint8_t* p) {
  const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
  const __m512i subnormal =
      _mm512_add_epi32(_mm512_slli_epi32(e, 21), _mm512_set1_epi32(0x00200000));
  return _mm512_castsi512_ps(_mm512_max_epi32(normal, subnormal));
}

// The f32 scale (and negated minimum) of the 16 rows of panel p; d * sc is exact.
template <PanelFormat f>
inline __m512 ScaleOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  if constexpr (f.scale == ScaleShape::kPowerOfTwo) return PowersOfTwo(record + kLanes * p);
  const __m512 d = HalfToFloat(record + 2 * kLanes * p);
  if constexpr (f.scale == ScaleShape::kSubScaleAndMin)
    return _mm512_mul_ps(d, BytesToFloat(sub_record + kLanes * p));
  if constexpr (f.scale == ScaleShape::kSubScale)
    return _mm512_mul_ps(d, SignedBytesToFloat(sub_record + kLanes * p));
  return d;
}
template <PanelFormat f>
inline __m512 MinOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  const __m512 m = HalfToFloat(record + 64 + 2 * kLanes * p);
  if constexpr (HasSubScales(f)) {
    const __m512 factor = BytesToFloat(sub_record + 32 + kLanes * p);
    return _mm512_mul_ps(_mm512_sub_ps(_mm512_setzero_ps(), factor), m);
  }
  return m;
}

// Rows of activations: row t at values + t * cols, its blocks at t * cols / 32.
struct Rows {
  const int8_t* values;
  const float* scales;
  const float* sums;
  const int16_t* pair_sums;
  size_t cols;
  inline Rows Row(uint32_t t) const {
    const size_t at = size_t{t} * cols;
    return {values + at, scales + at / 32, sums + at / 32, pair_sums + at / 4, cols};
  }
  inline Rows Block(uint32_t b) const {
    return {values + size_t{b} * 32, scales + b, sums + b, pair_sums + size_t{b} * 8, cols};
  }
};

}  // namespace
}  // namespace infe::kernels::INFE_AVX512_NAMESPACE
