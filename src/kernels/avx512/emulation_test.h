// The 512-bit instructions of avx512/*.h in terms of AVX2, through SIMDe (Debian: libsimde-dev),
// and the few conversions that it lacks. For emulation_test.cc alone.
#pragma once

#include <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_NO_INLINE  // or compiling takes minutes
#include <simde/x86/avx512.h>

#define INFE_AVX512_NAMESPACE avx512_emulated

namespace infe::kernels::avx512_emulated {
namespace {

inline simde__m512 EmulatedJoin(__m256 low, __m256 high) {
  simde__m512_private out;
  __builtin_memcpy(&out, &low, 32);
  __builtin_memcpy(reinterpret_cast<char*>(&out) + 32, &high, 32);
  return simde__m512_from_private(out);
}
inline simde__m512i EmulatedJoin(__m256i low, __m256i high) {
  simde__m512i_private out;
  __builtin_memcpy(&out, &low, 32);
  __builtin_memcpy(reinterpret_cast<char*>(&out) + 32, &high, 32);
  return simde__m512i_from_private(out);
}
inline simde__m512 EmulatedHalfToFloat(__m256i v) {
  return EmulatedJoin(_mm256_cvtph_ps(_mm256_castsi256_si128(v)),
                      _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)));
}
inline simde__m512i EmulatedWidenUnsigned(__m128i v) {
  return EmulatedJoin(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8)));
}
inline simde__m512i EmulatedWidenSigned(__m128i v) {
  return EmulatedJoin(_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)));
}
inline simde__m512 EmulatedToFloat(simde__m512i v) {
  __m256i halves[2];
  __builtin_memcpy(halves, &v, 64);
  return EmulatedJoin(_mm256_cvtepi32_ps(halves[0]), _mm256_cvtepi32_ps(halves[1]));
}

inline simde__m512i EmulatedToInt(simde__m512 v) {
  __m256 halves[2];
  __builtin_memcpy(halves, &v, 64);
  return EmulatedJoin(_mm256_cvtps_epi32(halves[0]), _mm256_cvtps_epi32(halves[1]));
}
inline __m256 EmulatedHalf(simde__m512 v, int half) {
  __m256 halves[2];
  __builtin_memcpy(halves, &v, 64);
  return halves[half];
}

// SIMDe does not fuse.
inline simde__m512 EmulatedFused(simde__m512 a, simde__m512 b, simde__m512 c) {
  float x[16], y[16], z[16];
  __builtin_memcpy(x, &a, 64);
  __builtin_memcpy(y, &b, 64);
  __builtin_memcpy(z, &c, 64);
  for (int i = 0; i < 16; ++i) z[i] = __builtin_fmaf(x[i], y[i], z[i]);
  __builtin_memcpy(&c, z, 64);
  return c;
}
inline simde__m512 EmulatedMinus(simde__m512 v) {
  float x[16];
  __builtin_memcpy(x, &v, 64);
  for (float& lane : x) lane = -lane;
  __builtin_memcpy(&v, x, 64);
  return v;
}

// Masked: what the mask leaves out is not touched in memory.
inline simde__m512 EmulatedMaskLoad(simde__m512 rest, uint32_t mask, const float* from) {
  float lanes[16];
  __builtin_memcpy(lanes, &rest, 64);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) lanes[i] = from[i];
  __builtin_memcpy(&rest, lanes, 64);
  return rest;
}
inline void EmulatedMaskStore(float* to, uint32_t mask, simde__m512 v) {
  float lanes[16];
  __builtin_memcpy(lanes, &v, 64);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) to[i] = lanes[i];
}

// 32 bits from base + scale * index for every lane.
inline simde__m512i EmulatedGather(simde__m512i index, const void* base, int scale) {
  int32_t lanes[16];
  __builtin_memcpy(lanes, &index, 64);
  for (int32_t& lane : lanes)
    __builtin_memcpy(&lane, static_cast<const char*>(base) + scale * lane, sizeof lane);
  __builtin_memcpy(&index, lanes, 64);
  return index;
}

// Within each 128 bits, the 32 bits that two bits of `control` name; whole 128 bits, two of a, then
// two of b.
template <class Vector>
inline Vector EmulatedPermute(Vector v, int control) {
  int32_t from[16], to[16];
  __builtin_memcpy(from, &v, 64);
  for (int i = 0; i < 16; ++i) to[i] = from[i / 4 * 4 + (control >> 2 * (i % 4) & 3)];
  __builtin_memcpy(&v, to, 64);
  return v;
}
inline simde__m512 EmulatedShuffle128(simde__m512 a, simde__m512 b, int control) {
  float from[2][4][4], to[4][4];
  __builtin_memcpy(from[0], &a, 64);
  __builtin_memcpy(from[1], &b, 64);
  for (int i = 0; i < 4; ++i) __builtin_memcpy(to[i], from[i / 2][control >> 2 * i & 3], 16);
  __builtin_memcpy(&a, to, 64);
  return a;
}

inline __m128 EmulatedDivide(uint32_t mask, __m128 a, __m128 b) {
  float x[4], y[4];
  __builtin_memcpy(x, &a, 16);
  __builtin_memcpy(y, &b, 16);
  for (int i = 0; i < 4; ++i) x[i] = mask >> i & 1 ? x[i] / y[i] : 0.0f;
  __builtin_memcpy(&a, x, 16);
  return a;
}

}  // namespace
}  // namespace infe::kernels::avx512_emulated

#undef _mm512_madd_epi16  // the alias is wrong in SIMDe 0.7.4
#undef _mm512_cvtph_ps
#undef _mm512_cvtepu8_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtepi32_ps
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm512_cvtph_ps EmulatedHalfToFloat
#define _mm512_cvtepu8_epi32 EmulatedWidenUnsigned
#define _mm512_cvtepi8_epi32 EmulatedWidenSigned
#define _mm512_cvtepi32_ps EmulatedToFloat
#undef _mm512_cvtps_epi32
#undef _mm512_extractf32x8_ps
#undef _mm512_mask_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_maskz_loadu_ps
#undef _mm512_permute_ps
#undef _mm512_shuffle_epi32
#undef _mm512_shuffle_f32x4
#undef _mm_maskz_div_ps
#undef _mm512_i32gather_epi32
#define _mm512_i32gather_epi32 EmulatedGather
#define _mm512_cvtps_epi32 EmulatedToInt
#define _mm512_extractf32x8_ps EmulatedHalf
#define _mm512_mask_loadu_ps EmulatedMaskLoad
#define _mm512_mask_storeu_ps EmulatedMaskStore
#define _mm512_maskz_loadu_ps(mask, from) EmulatedMaskLoad(_mm512_setzero_ps(), mask, from)
#define _mm512_permute_ps EmulatedPermute
#define _mm512_shuffle_epi32 EmulatedPermute
#define _mm512_shuffle_f32x4 EmulatedShuffle128
#define _mm_maskz_div_ps EmulatedDivide
#undef _mm256_fmadd_ps  // the processor's own, for what is shared with avx2/
#undef _mm256_fmsub_ps
#undef _mm256_fnmadd_ps
#undef _mm512_fmadd_ps
#undef _mm512_fmsub_ps
#undef _mm512_fnmadd_ps
#define _mm512_fmadd_ps EmulatedFused
#define _mm512_fmsub_ps(a, b, c) EmulatedFused(a, b, EmulatedMinus(c))
#define _mm512_fnmadd_ps(a, b, c) EmulatedFused(EmulatedMinus(a), b, c)
