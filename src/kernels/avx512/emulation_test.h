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
