#include "kernels/avx512/elementwise.h"

// g++ 12 takes the deliberately undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "kernels/avx512/vec_math.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

// The first `count` (0..16) of sixteen lanes.
inline __mmask16 First(uint32_t count) {
  return static_cast<__mmask16>((uint32_t{1} << count) - 1);
}

// out[i] = op(i-th sixteen of a, of b): whole vectors, then a masked rest. A lane's result depends
// on its own operands only.
template <class Op>
inline void Map(const float* a, const float* b, uint32_t n, float* out, Op op) {
  uint32_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(out + i, op(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i)));
  if (i < n) {
    const __mmask16 lanes = First(n - i);
    _mm512_mask_storeu_ps(
        out + i, lanes,
        op(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i)));
  }
}

inline __m512 Silu(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  return _mm512_div_ps(x, _mm512_add_ps(one, Exp(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// x / (1 + exp(-2 u)), u = sqrt(2 / pi) * (x + 0.044715 x^3).
inline __m512 GeluTanh(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f), one);
  const __m512 minus_2u = _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(-1.5957691216f)), cubic);
  return _mm512_div_ps(x, _mm512_add_ps(one, Exp(minus_2u)));
}

}  // namespace

// Two sums of 16 lanes are AVX2's four of 8.
void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out) {
  __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  uint32_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512 low = _mm512_loadu_ps(x + i);
    const __m512 high = _mm512_loadu_ps(x + i + 16);
    sums[0] = _mm512_fmadd_ps(low, low, sums[0]);
    sums[1] = _mm512_fmadd_ps(high, high, sums[1]);
  }
  for (; i < n; i += 8) {
    const __m512 v = _mm512_maskz_loadu_ps(First(n - i < 8 ? n - i : 8), x + i);
    sums[0] = _mm512_fmadd_ps(v, v, sums[0]);
  }
  const float sum = avx2::SumOf(_mm256_add_ps(SumOfHalves(sums[0]), SumOfHalves(sums[1])));
  const __m128 mean = _mm_set_ss(sum / static_cast<float>(n) + eps);
  const __m512 factor = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(mean)));
  Map(x, weight, n, out,
      [factor](__m512 v, __m512 w) { return _mm512_mul_ps(_mm512_mul_ps(v, factor), w); });
}

void Add(float* y, const float* x, uint32_t n) {
  Map(y, x, n, y, [](__m512 a, __m512 b) { return _mm512_add_ps(a, b); });
}

void Rope(float* head, const float* cos_sin, uint32_t n) {
  const uint32_t half = n / 2;
  for (uint32_t i = 0; i < half; i += 16) {
    const __mmask16 lanes = First(half - i < 16 ? half - i : 16);
    const __m512 a = _mm512_maskz_loadu_ps(lanes, head + i);
    const __m512 b = _mm512_maskz_loadu_ps(lanes, head + half + i);
    const __m512 cosine = _mm512_maskz_loadu_ps(lanes, cos_sin + i);
    const __m512 sine = _mm512_maskz_loadu_ps(lanes, cos_sin + half + i);
    _mm512_mask_storeu_ps(head + i, lanes, _mm512_fmsub_ps(a, cosine, _mm512_mul_ps(b, sine)));
    _mm512_mask_storeu_ps(head + half + i, lanes,
                          _mm512_fmadd_ps(b, cosine, _mm512_mul_ps(a, sine)));
  }
}

void Swiglu(const float* gate, const float* up, uint32_t n, float* out) {
  Map(gate, up, n, out, [](__m512 g, __m512 u) { return _mm512_mul_ps(Silu(g), u); });
}

void Geglu(const float* gate, const float* up, uint32_t n, float* out) {
  Map(gate, up, n, out, [](__m512 g, __m512 u) { return _mm512_mul_ps(GeluTanh(g), u); });
}

void Scale(float* x, float factor, uint32_t n) {
  const __m512 f = _mm512_set1_ps(factor);
  Map(x, x, n, x, [f](__m512 a, __m512) { return _mm512_mul_ps(a, f); });
}

}  // namespace infe::kernels::INFE_AVX512_NAMESPACE
