// Quantisation of activations: the same operations as generic/products.cc, hence the same bits.
#include "kernels/avx2/products.h"
#include "kernels/avx2/vec.h"

namespace infe::kernels::avx2 {
namespace {

// Stores the negated pair sums of 32 integers; returns the sum of all.
inline int PairSums(__m256i q, int16_t* out) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
  pairs = _mm256_sub_epi16(_mm256_setzero_si256(), pairs);
  pairs = _mm256_add_epi16(pairs, _mm256_shuffle_epi32(pairs, 0x4e));
  pairs = _mm256_add_epi16(pairs, _mm256_shuffle_epi32(pairs, 0xb1));
  const __m128i first = _mm256_castsi256_si128(pairs);
  const __m128i second = _mm256_extracti128_si256(pairs, 1);
  const __m128i all = _mm_add_epi16(first, second);
  const __m128i low = _mm_unpacklo_epi32(all, first);
  const __m128i high = _mm_unpacklo_epi32(second, _mm_setzero_si128());
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_unpacklo_epi64(low, high));
  const int both = _mm_cvtsi128_si32(all);
  return -(static_cast<int16_t>(both) + static_cast<int16_t>(both >> 16));
}

inline __m256i Quantise(const float* x, float inverse) {
  const __m256 factor = _mm256_set1_ps(inverse);
  const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), factor));
  const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), factor));
  const __m256i c = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16), factor));
  const __m256i d = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 24), factor));
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  // Packing works within halves: put the groups of four back in order.
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

}  // namespace

void QuantiseRow(const float* x, uint32_t col_begin, uint32_t col_end, uint32_t row,
                 const Activations& out) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  for (uint32_t k = col_begin; k < col_end; k += 32) {
    __m256 largest = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i)
      largest = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + k + 8 * i), magnitude), largest);
    const float top = LargestOf(largest);
    const size_t at = size_t{row} * out.cols + k;
    auto* values = reinterpret_cast<__m256i*>(out.values + at);
    const size_t block = at / 32;
    if (!(top >= 1e-30f)) {
      _mm256_storeu_si256(values, _mm256_setzero_si256());
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out.pair_sums + block * 8), _mm_setzero_si128());
      SetScale(out, row, k / 32, 0, 0);
      continue;
    }
    const float scale = top / 127.0f;
    const __m256i q = Quantise(x + k, 127.0f / top);
    _mm256_storeu_si256(values, q);
    const int sum = PairSums(q, out.pair_sums + block * 8);
    SetScale(out, row, k / 32, scale, scale * static_cast<float>(sum));
  }
}

}  // namespace infe::kernels::avx2
