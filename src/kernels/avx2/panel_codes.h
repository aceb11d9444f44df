// From packed panels to vectors of codes and scales (panels/layout.h), 8 rows x 4 columns a vector.
// Included by avx2/*.cc only: everything has internal linkage, so that no copy compiled with these
// flags can be linked into other code.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "kernels/panels/by_format.h"

namespace infe::kernels::avx2 {
namespace {

constexpr uint32_t kLanes = 8;
constexpr uint32_t kPanels = kPanelStripeRows / kLanes;

template <PanelFormat f>
constexpr uint32_t kPanelBytes = kLanes * PanelBytesPerLane(f);

inline __m256i Load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline __m256i Broadcast32(const void* p) {
  return _mm256_set1_epi32(*static_cast<const int32_t __attribute__((may_alias, aligned(1)))*>(p));
}

// Keeps a running sum in its register: without it the compiler rearranges the integer additions
// into trees of spilled products.
inline void Pin(__m256i& v) {
  asm("" : "+x"(v));
}

// 16 bytes for a look-up by nibbles.
inline __m256i Table(const void* entries) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(entries)));
}

// Bit k of every byte, moved to bit 4.
template <int k>
inline __m256i FifthBit(__m256i plane) {
  __m256i moved = plane;
  if constexpr (k < 4) moved = _mm256_slli_epi16(plane, 4 - k);
  if constexpr (k > 4) moved = _mm256_srli_epi16(plane, k - 4);
  return _mm256_and_si256(moved, _mm256_set1_epi8(0x10));
}

// Bits 2 j and 2 j + 1 of every byte, moved to bits 4 and 5.
template <int j>
inline __m256i UpperBits(__m256i plane) {
  __m256i moved = plane;
  if constexpr (j < 2) moved = _mm256_slli_epi16(plane, 4 - 2 * j);
  if constexpr (j > 2) moved = _mm256_srli_epi16(plane, 2 * j - 4);
  return _mm256_and_si256(moved, _mm256_set1_epi8(0x30));
}

// The codes of step k of a panel.
template <PanelFormat f, int k>
inline __m256i Codes(const uint8_t* panel) {
  if constexpr (CodeBits(f) == 8) {
    return Load(panel + 32 * k);
  } else {
    __m256i codes = Load(panel + 32 * (k % 4));
    if constexpr (k >= 4) codes = _mm256_srli_epi16(codes, 4);
    codes = _mm256_and_si256(codes, _mm256_set1_epi8(15));
    if constexpr (CodeBits(f) == 5) codes = _mm256_or_si256(codes, FifthBit<k>(Load(panel + 128)));
    if constexpr (CodeBits(f) == 6)
      codes = _mm256_or_si256(codes, UpperBits<k % 4>(Load(panel + 128 + 32 * (k / 4))));
    if constexpr (f.code == CodeShape::kFloatTable)
      codes = _mm256_shuffle_epi8(Table(kFloatTable), codes);
    if constexpr (f.code == CodeShape::kCurveTable)
      codes = _mm256_shuffle_epi8(Table(kCurveTable), codes);
    return codes;
  }
}

// 8 f16 to f32.
inline __m256 HalfToFloat(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// 8 unsigned bytes to f32.
inline __m256 BytesToFloat(const uint8_t* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// 8 signed bytes to f32.
inline __m256 SignedBytesToFloat(const uint8_t* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// 2^(e - 128) for 8 bytes e: the exponent field holds e - 1, and below that the value is subnormal.
inline __m256 PowersOfTwo(const uint8_t* p) {
  const __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  const __m256i subnormal =
      _mm256_add_epi32(_mm256_slli_epi32(e, 21), _mm256_set1_epi32(0x00200000));
  return _mm256_castsi256_ps(_mm256_max_epi32(normal, subnormal));
}
// 8 signed bytes, each as two equal 16-bit integers: a factor for pairs in madd.
inline __m256i BytesToPairs(const uint8_t* p) {
  const __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return _mm256_or_si256(_mm256_and_si256(wide, _mm256_set1_epi32(0xffff)),
                         _mm256_slli_epi32(wide, 16));
}

// The f32 scale (and negated minimum) of the 8 rows of panel p for sub-block `sub` of a record.
// d * sc is exact: 11 bits times 6.
template <PanelFormat f>
inline __m256 ScaleOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  if constexpr (f.scale == ScaleShape::kPowerOfTwo) return PowersOfTwo(record + kLanes * p);
  const __m256 d = HalfToFloat(record + 2 * kLanes * p);
  if constexpr (f.scale == ScaleShape::kSubScaleAndMin)
    return _mm256_mul_ps(d, BytesToFloat(sub_record + kLanes * p));
  if constexpr (f.scale == ScaleShape::kSubScale)
    return _mm256_mul_ps(d, SignedBytesToFloat(sub_record + kLanes * p));
  return d;
}
template <PanelFormat f>
inline __m256 MinOf(const uint8_t* record, const uint8_t* sub_record, uint32_t p) {
  const __m256 m = HalfToFloat(record + 64 + 2 * kLanes * p);
  if constexpr (HasSubScales(f)) {
    const __m256 negative = _mm256_xor_ps(m, _mm256_set1_ps(-0.0f));
    return _mm256_mul_ps(negative, BytesToFloat(sub_record + 32 + kLanes * p));
  }
  return m;
}

// One row of activations from a block on.
struct RowPointers {
  const int8_t* values;
  const float* scales;
  const float* sums;
  const int16_t* pair_sums;
};

// What the 16-bit accumulator of a block starts with, from the (negated) pair sums: the codes'
// offset taken away, so that the sum of eight products stays within 16 bits. 5-bit codes are
// centred even when the type has no offset (kUncentre gives it back).
template <PanelFormat f>
inline __m256i StartOfBlock(const int16_t* pair_sums) {
  if constexpr (CodeBits(f) == 5) return _mm256_slli_epi16(Broadcast32(pair_sums), 4);
  if constexpr (f.code == CodeShape::kU4Minus8) return _mm256_slli_epi16(Broadcast32(pair_sums), 3);
  if constexpr (f.code == CodeShape::kFloatTable)
    return _mm256_mullo_epi16(Broadcast32(pair_sums), _mm256_set1_epi16(kFloatTableOffset));
  return _mm256_setzero_si256();
}
template <PanelFormat f>
constexpr bool kUncentre = f.code == CodeShape::kU5;
// -16 times the sum of the block's integers.
inline __m256i CentreOfBlock(const int16_t* pair_sums) {
  return _mm256_madd_epi16(Broadcast32(pair_sums), _mm256_set1_epi16(16));
}

}  // namespace
}  // namespace infe::kernels::avx2
