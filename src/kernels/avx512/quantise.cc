// Quantisation of activations, two blocks at a time: lane for lane the operations of
// avx2/quantise.cc, hence the same bits.
#include "kernels/avx2/products.h"
#include "kernels/avx512/elementwise.h"
#include "kernels/avx512/intrinsics.h"

// g++ 12 takes the deliberately undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

// 64 values: block 0 in v[0] and v[1], block 1 in v[2] and v[3].
struct TwoBlocks {
  __m512 v[4];
};

// The largest magnitudes of both blocks in lanes 0 and 1. No number never counts.
inline __m128 Tops(const TwoBlocks& x) {
  const __m512 zero = _mm512_setzero_ps();
  const __m512 first =
      _mm512_max_ps(_mm512_abs_ps(x.v[1]), _mm512_max_ps(_mm512_abs_ps(x.v[0]), zero));
  const __m512 second =
      _mm512_max_ps(_mm512_abs_ps(x.v[3]), _mm512_max_ps(_mm512_abs_ps(x.v[2]), zero));
  // Block 0 in the lower half of the vector, block 1 in the upper, from here on.
  __m512 m = _mm512_max_ps(_mm512_shuffle_f32x4(first, second, 0x44),
                           _mm512_shuffle_f32x4(first, second, 0xee));
  m = _mm512_max_ps(m, _mm512_shuffle_f32x4(m, m, 0xb1));
  m = _mm512_max_ps(m, _mm512_permute_ps(m, 0x4e));
  m = _mm512_max_ps(m, _mm512_permute_ps(m, 0xb1));
  return _mm_unpacklo_ps(_mm512_castps512_ps128(m), _mm512_extractf32x4_ps(m, 2));
}

// The 64 integers in order.
inline __m512i Integers(const TwoBlocks& x, __m128 inverses) {
  const __m512 first = _mm512_broadcastss_ps(inverses);
  const __m512 second = _mm512_broadcastss_ps(_mm_movehdup_ps(inverses));
  const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(x.v[0], first));
  const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(x.v[1], first));
  const __m512i c = _mm512_cvtps_epi32(_mm512_mul_ps(x.v[2], second));
  const __m512i d = _mm512_cvtps_epi32(_mm512_mul_ps(x.v[3], second));
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  // Packing works within lanes of 128 bits: put the groups of four back in order.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, bytes);
}

// Stores the negated pair sums of both blocks; the sums of all in lanes 0 and 1.
inline __m128i PairSums(__m512i q, int16_t* out) {
  __m512i pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(1), q);
  pairs = _mm512_sub_epi16(_mm512_setzero_si512(), pairs);
  pairs = _mm512_add_epi16(pairs, _mm512_shuffle_epi32(pairs, static_cast<_MM_PERM_ENUM>(0x4e)));
  pairs = _mm512_add_epi16(pairs, _mm512_shuffle_epi32(pairs, static_cast<_MM_PERM_ENUM>(0xb1)));
  // Each lane of 128 bits has the sums of its 16 integers four times; `other` those of the block's
  // other 16.
  const __m512i other = _mm512_shuffle_i32x4(pairs, pairs, 0xb1);
  const __m512i all = _mm512_add_epi16(pairs, other);
  __m512i form = _mm512_mask_mov_epi32(pairs, 0x1111, all);
  form = _mm512_mask_mov_epi32(form, 0x4444, other);
  form = _mm512_maskz_mov_epi32(0x7777, form);
  const __m512i blocks = _mm512_setr_epi64(0, 1, 4, 5, 0, 0, 0, 0);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm512_castsi512_si256(_mm512_permutexvar_epi64(blocks, form)));
  const __m512i sums = _mm512_madd_epi16(all, _mm512_set1_epi16(-1));
  return _mm_unpacklo_epi32(_mm512_castsi512_si128(sums), _mm512_extracti32x4_epi32(sums, 2));
}

}  // namespace

void QuantiseRow(const float* x, uint32_t col_begin, uint32_t col_end, uint32_t row,
                 const Activations& out) {
  const __m128 limit = _mm_set1_ps(127.0f);
  uint32_t k = col_begin;
  for (; k + 64 <= col_end; k += 64) {
    const TwoBlocks two = {{_mm512_loadu_ps(x + k), _mm512_loadu_ps(x + k + 16),
                            _mm512_loadu_ps(x + k + 32), _mm512_loadu_ps(x + k + 48)}};
    const __m128 tops = Tops(two);
    const __mmask8 some = _mm_cmp_ps_mask(tops, _mm_set1_ps(1e-30f), _CMP_GE_OQ);
    const __m128 scales = _mm_maskz_div_ps(some, tops, limit);
    const __m128 inverses = _mm_maskz_div_ps(some, limit, tops);
    // A block of nothing is integers 0, whatever its values times 0 are.
    const __mmask16 words = static_cast<__mmask16>((some & 1 ? 0xff : 0) | (some & 2 ? 0xff00 : 0));
    const __m512i q = _mm512_maskz_mov_epi32(words, Integers(two, inverses));
    const size_t at = size_t{row} * out.cols + k;
    _mm512_storeu_si512(out.values + at, q);
    const __m128i integer_sums = PairSums(q, out.pair_sums + at / 32 * 8);
    const __m128 sums = _mm_mul_ps(scales, _mm_cvtepi32_ps(integer_sums));
    SetScale(out, row, k / 32, _mm_cvtss_f32(scales), _mm_cvtss_f32(sums));
    SetScale(out, row, k / 32 + 1, _mm_cvtss_f32(_mm_movehdup_ps(scales)),
             _mm_cvtss_f32(_mm_movehdup_ps(sums)));
  }
  if (k < col_end) avx2::QuantiseRow(x, k, col_end, row, out);
}

}  // namespace infe::kernels::INFE_AVX512_NAMESPACE
