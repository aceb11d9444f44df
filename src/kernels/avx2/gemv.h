// One activation row times panels of a stripe: the decode kernel. Codes are unpacked in registers,
// the stripe is read once, in order, with the next records prefetched. Included by avx2/*.cc only.
#pragma once

#include "kernels/avx2/panel_codes.h"

namespace infe::kernels::avx2 {
namespace {

template <PanelFormat f, int k>
inline __m256i AddStep(__m256i sum, const uint8_t* panel, const int8_t* x) {
  return _mm256_add_epi16(sum, _mm256_maddubs_epi16(Codes<f, k>(panel), Broadcast32(x + 4 * k)));
}

// s8 x s8, exactly: |w| <= 128 times |x| <= 127, two of them fit 16 bits, a third may not.
// factor: pairs of 16 bits, 1 or the scale of the half that the step is of.
template <PanelFormat f, int k>
inline __m256i AddSignedStep(__m256i sum, const uint8_t* panel, const int8_t* x, __m256i factor) {
  const __m256i w = Codes<f, k>(panel);
  const __m256i pairs =
      _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(Broadcast32(x + 4 * k), w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, factor));
}

// The dot products (see DotToFloat) of 8 rows over 32 columns (times the sub-scales of halves).
template <PanelFormat f>
inline __m256i PanelDot(const uint8_t* sub_record, const uint8_t* panel, uint32_t p,
                        const int8_t* x, const int16_t* pair_sums) {
  if constexpr (HasSignedCodes(f)) {
    __m256i low = _mm256_set1_epi16(1);
    __m256i high = low;
    if constexpr (HasHalfScales(f)) {
      low = HalfScale<f>(sub_record, 0, p);
      high = HalfScale<f>(sub_record, 1, p);
    }
    __m256i a = AddSignedStep<f, 0>(_mm256_setzero_si256(), panel, x, low);
    __m256i b = AddSignedStep<f, 1>(_mm256_setzero_si256(), panel, x, low);
    a = AddSignedStep<f, 2>(a, panel, x, low);
    b = AddSignedStep<f, 3>(b, panel, x, low);
    a = AddSignedStep<f, 4>(a, panel, x, high);
    b = AddSignedStep<f, 5>(b, panel, x, high);
    a = AddSignedStep<f, 6>(a, panel, x, high);
    b = AddSignedStep<f, 7>(b, panel, x, high);
    return _mm256_add_epi32(a, b);
  } else if constexpr (HasHalfScales(f)) {
    __m256i a = StartOfHalf<f>(pair_sums, 0);
    __m256i b = StartOfHalf<f>(pair_sums, 1);
    a = AddStep<f, 0>(a, panel, x);
    a = AddStep<f, 1>(a, panel, x);
    a = AddStep<f, 2>(a, panel, x);
    a = AddStep<f, 3>(a, panel, x);
    b = AddStep<f, 4>(b, panel, x);
    b = AddStep<f, 5>(b, panel, x);
    b = AddStep<f, 6>(b, panel, x);
    b = AddStep<f, 7>(b, panel, x);
    return AddScaledHalf<f>(ScaleHalf<f>(a, HalfScale<f>(sub_record, 0, p)), b,
                            HalfScale<f>(sub_record, 1, p));
  } else {
    __m256i a = StartOfBlock<f>(pair_sums);
    a = AddStep<f, 0>(a, panel, x);
    a = AddStep<f, 4>(a, panel, x);
    a = AddStep<f, 1>(a, panel, x);
    a = AddStep<f, 5>(a, panel, x);
    a = AddStep<f, 2>(a, panel, x);
    a = AddStep<f, 6>(a, panel, x);
    a = AddStep<f, 3>(a, panel, x);
    a = AddStep<f, 7>(a, panel, x);
    a = _mm256_madd_epi16(a, _mm256_set1_epi16(1));
    if constexpr (kUncentre<f>) a = _mm256_sub_epi32(a, CentreOfBlock(pair_sums));
    return a;
  }
}

// out[8 * count] = rows 8 * first .. of the stripe times x, over `blocks` blocks of 32 columns.
template <PanelFormat f, int count>
inline void Gemv(const uint8_t* stripe, uint32_t first, RowPointers x, uint32_t blocks,
                 float* out) {
  // Far enough ahead to hide a read from memory, near enough to be used soon.
  constexpr uint32_t kAhead = 4096;
  __m256 acc[count];
  for (int i = 0; i < count; ++i) acc[i] = _mm256_setzero_ps();
  const uint8_t* record = stripe;
  const uint8_t* sub_record = stripe + RecordHeaderBytes(f);
  for (uint32_t b = 0; b < blocks; ++b) {
    const uint8_t* panels = sub_record + SubHeaderBytes(f);
    const __m256 x_scale = _mm256_set1_ps(x.scales[b]);
    const __m256 x_sum = _mm256_set1_ps(x.sums[b]);
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) {
      const uint32_t p = first + i;
      const uint8_t* panel = panels + p * kPanelBytes<f>;
      for (uint32_t line = 0; line < kPanelBytes<f>; line += 64)
        _mm_prefetch(reinterpret_cast<const char*>(panel + kAhead + line), _MM_HINT_T0);
      const __m256i dot = PanelDot<f>(sub_record, panel, p, x.values, x.pair_sums);
      const __m256 scale = _mm256_mul_ps(ScaleOf<f>(record, sub_record, p), x_scale);
      acc[i] = _mm256_fmadd_ps(DotToFloat<f>(dot), scale, acc[i]);
      if constexpr (HasMin(f))
        acc[i] = _mm256_fmadd_ps(MinOf<f>(record, sub_record, p), x_sum, acc[i]);
      if constexpr (HasHalfMins(f)) {
        const __m256i mins =
            HalfMinsDot(x.pair_sums, HalfMin(sub_record, 0, p), HalfMin(sub_record, 1, p));
        acc[i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(mins),
                                 _mm256_mul_ps(MinOf<f>(record, sub_record, p), x_scale), acc[i]);
      }
    }
    x.values += 32;
    x.pair_sums += 8;
    sub_record += SubRecordBytes(f);
    if (b % SubBlocks(f) == SubBlocks(f) - 1) {
      record = sub_record;
      sub_record += RecordHeaderBytes(f);
    }
  }
  for (int i = 0; i < count; ++i) _mm256_storeu_ps(out + kLanes * i, acc[i]);
}

}  // namespace
}  // namespace infe::kernels::avx2
