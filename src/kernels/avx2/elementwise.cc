#include "kernels/avx2/elementwise.h"

#include "kernels/avx2/vec.h"
#include "kernels/vec/elementwise-inl.h"

namespace infe::kernels::avx2 {

void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out) {
  vec::RmsNorm<Vec>(x, weight, eps, n, out);
}
void LayerNorm(const float* x, const float* weight, const float* bias, float eps, uint32_t n,
               float* out) {
  vec::LayerNorm<Vec>(x, weight, bias, eps, n, out);
}
void Add(float* y, const float* x, uint32_t n) {
  vec::Add<Vec>(y, x, n);
}
void Rope(float* head, const float* cos_sin, uint32_t n) {
  vec::Rope<Vec>(head, cos_sin, n);
}
void Swiglu(const float* gate, const float* up, uint32_t n, float* out) {
  vec::Swiglu<Vec>(gate, up, n, out);
}
void Geglu(const float* gate, const float* up, uint32_t n, float* out) {
  vec::Geglu<Vec>(gate, up, n, out);
}
void Gelu(const float* x, uint32_t n, float* out) {
  vec::Gelu<Vec>(x, n, out);
}
void Scale(float* x, float factor, uint32_t n) {
  vec::Scale<Vec>(x, factor, n);
}
void Sigmoid(float* x, uint32_t n) {
  vec::Sigmoid<Vec>(x, n);
}
void Softcap(float* x, float cap, uint32_t n) {
  vec::Softcap<Vec>(x, cap, n);
}

float MaxIndex(const float* x, uint32_t n, uint32_t* index) {
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  __m256 tops[4] = {lowest, lowest, lowest, lowest};
  uint32_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int j = 0; j < 4; ++j) tops[j] = _mm256_max_ps(_mm256_loadu_ps(x + i + 8 * j), tops[j]);
  for (; i < n; i += 8) {
    const __m256i lanes = FirstLanes(n - i < 8 ? n - i : 8);
    const __m256 v =
        _mm256_blendv_ps(lowest, _mm256_maskload_ps(x + i, lanes), _mm256_castsi256_ps(lanes));
    tops[0] = _mm256_max_ps(v, tops[0]);
  }
  const float top =
      LargestOf(_mm256_max_ps(_mm256_max_ps(tops[0], tops[1]), _mm256_max_ps(tops[2], tops[3])));
  const __m256 wanted = _mm256_set1_ps(top);
  *index = 0;
  for (i = 0; i + 8 <= n; i += 8) {
    const int equal = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i), wanted, _CMP_EQ_OQ));
    if (equal != 0) {
      *index = i + static_cast<uint32_t>(__builtin_ctz(static_cast<unsigned>(equal)));
      return top;
    }
  }
  for (; i < n; ++i) {
    if (x[i] == top) {
      *index = i;
      return top;
    }
  }
  return top;
}

double ExpSum(const float* x, float shift, float factor, uint32_t n) {
  const __m256 shifts = _mm256_set1_ps(shift);
  const __m256 factors = _mm256_set1_ps(factor);
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();
  for (uint32_t i = 0; i < n; i += 8) {
    const __m256i lanes = FirstLanes(n - i < 8 ? n - i : 8);
    const __m256 v = _mm256_maskload_ps(x + i, lanes);
    const __m256 all = vec::Exp(Vec{_mm256_mul_ps(_mm256_sub_ps(v, shifts), factors)}).v;
    const __m256 e = _mm256_and_ps(all, _mm256_castsi256_ps(lanes));
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(e)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(e, 1)));
  }
  const __m256d sum = _mm256_add_pd(low, high);
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd(sum, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

}  // namespace infe::kernels::avx2
