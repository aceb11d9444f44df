#include "kernels/avx2/elementwise.h"

#include "kernels/avx2/vec_math.h"

namespace infe::kernels::avx2 {
namespace {

// out[i] = op(i-th eight of a, of b): whole vectors, then a masked rest. A lane's result depends on
// its own operands only.
template <class Op>
inline void Map(const float* a, const float* b, uint32_t n, float* out, Op op) {
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, op(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
  if (i < n) {
    const __m256i lanes = FirstLanes(n - i);
    _mm256_maskstore_ps(out + i, lanes,
                        op(_mm256_maskload_ps(a + i, lanes), _mm256_maskload_ps(b + i, lanes)));
  }
}

inline __m256 Silu(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  return _mm256_div_ps(x, _mm256_add_ps(one, Exp(_mm256_sub_ps(_mm256_setzero_ps(), x))));
}

// x / (1 + exp(-2 u)), u = sqrt(2 / pi) * (x + 0.044715 x^3).
inline __m256 GeluTanh(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 cubic = _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(0.044715f), one);
  const __m256 minus_2u = _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(-1.5957691216f)), cubic);
  return _mm256_div_ps(x, _mm256_add_ps(one, Exp(minus_2u)));
}

}  // namespace

void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out) {
  __m256 sums[4] = {};
  uint32_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (int j = 0; j < 4; ++j) {
      const __m256 v = _mm256_loadu_ps(x + i + 8 * j);
      sums[j] = _mm256_fmadd_ps(v, v, sums[j]);
    }
  }
  for (; i < n; i += 8) {
    const __m256 v = _mm256_maskload_ps(x + i, FirstLanes(n - i < 8 ? n - i : 8));
    sums[0] = _mm256_fmadd_ps(v, v, sums[0]);
  }
  const float sum =
      SumOf(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
  const __m128 mean = _mm_set_ss(sum / static_cast<float>(n) + eps);
  const __m256 factor = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(mean)));
  Map(x, weight, n, out,
      [factor](__m256 v, __m256 w) { return _mm256_mul_ps(_mm256_mul_ps(v, factor), w); });
}

void Add(float* y, const float* x, uint32_t n) {
  Map(y, x, n, y, [](__m256 a, __m256 b) { return _mm256_add_ps(a, b); });
}

void Rope(float* head, const float* cos_sin, uint32_t n) {
  const uint32_t half = n / 2;
  for (uint32_t i = 0; i < half; i += 8) {
    const __m256i lanes = FirstLanes(half - i < 8 ? half - i : 8);
    const __m256 a = _mm256_maskload_ps(head + i, lanes);
    const __m256 b = _mm256_maskload_ps(head + half + i, lanes);
    const __m256 cosine = _mm256_maskload_ps(cos_sin + i, lanes);
    const __m256 sine = _mm256_maskload_ps(cos_sin + half + i, lanes);
    _mm256_maskstore_ps(head + i, lanes, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
    _mm256_maskstore_ps(head + half + i, lanes, _mm256_fmadd_ps(b, cosine, _mm256_mul_ps(a, sine)));
  }
}

void Swiglu(const float* gate, const float* up, uint32_t n, float* out) {
  Map(gate, up, n, out, [](__m256 g, __m256 u) { return _mm256_mul_ps(Silu(g), u); });
}

void Geglu(const float* gate, const float* up, uint32_t n, float* out) {
  Map(gate, up, n, out, [](__m256 g, __m256 u) { return _mm256_mul_ps(GeluTanh(g), u); });
}

void Scale(float* x, float factor, uint32_t n) {
  const __m256 f = _mm256_set1_ps(factor);
  Map(x, x, n, x, [f](__m256 a, __m256) { return _mm256_mul_ps(a, f); });
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
      MaxOf(_mm256_max_ps(_mm256_max_ps(tops[0], tops[1]), _mm256_max_ps(tops[2], tops[3])));
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
    __m256 e = Exp(_mm256_mul_ps(_mm256_sub_ps(v, shifts), factors));
    e = _mm256_and_ps(e, _mm256_castsi256_ps(lanes));
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(e)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(e, 1)));
  }
  const __m256d sum = _mm256_add_pd(low, high);
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd(sum, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

}  // namespace infe::kernels::avx2
