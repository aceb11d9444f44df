// The element-wise functions (table.h) of every ISA. Any n; tails are masked.
#pragma once

#include "kernels/vec/exp-inl.h"

namespace infe::kernels::vec {
namespace {

// out[i] = op(a[i], b[i]). out may be a or b: a lane's result depends on its own operands only.
template <Vec V, class Op>
inline void Map(const float* a, const float* b, uint32_t n, float* out, Op op) {
  uint32_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) op(V::Load(a + i), V::Load(b + i)).Store(out + i);
  if (i < n) op(V::LoadFirst(a + i, n - i), V::LoadFirst(b + i, n - i)).StoreFirst(out + i, n - i);
}

// The sum of add(sum, x[i]) over 32 sums, column i in sum i % 32; what is left after whole blocks
// goes eight at a time to the first eight sums. add(sum, 0) is sum.
template <BlockVec V, class Op>
inline float SumOver(const float* x, uint32_t n, Op add) {
  constexpr uint32_t kVectors = kBlockLanes / V::kLanes;
  constexpr uint32_t kStep = V::kLanes < 8 ? V::kLanes : 8;
  V sums[kVectors];
  for (V& sum : sums) sum = V::All(0.0f);
  uint32_t i = 0;
  for (; i + kBlockLanes <= n; i += kBlockLanes) {
    for (uint32_t j = 0; j < kVectors; ++j) {
      const V v = V::Load(x + i + V::kLanes * j);
      sums[j] = add(sums[j], v);
    }
  }
  for (uint32_t j = 0; i < n; i += kStep, j = (j + 1) % (8 / kStep)) {
    const V v = V::LoadFirst(x + i, n - i < kStep ? n - i : kStep);
    sums[j] = add(sums[j], v);
  }
  return Sum32(sums);
}

template <BlockVec V>
inline float SumOfSquares(const float* x, uint32_t n) {
  return SumOver<V>(x, n, [](V sum, V v) { return MulAdd(v, v, sum); });
}

template <BlockVec V>
inline float SumOf(const float* x, uint32_t n) {
  return SumOver<V>(x, n, [](V sum, V v) { return sum + v; });
}

// out = x * factor * weight.
template <Vec V>
inline void ScaleAndWeigh(const float* x, const float* weight, float factor, uint32_t n,
                          float* out) {
  const V factors = V::All(factor);
  Map<V>(x, weight, n, out, [factors](V v, V w) { return v * factors * w; });
}

template <BlockVec V>
inline void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out) {
  const float mean = SumOfSquares<V>(x, n) / static_cast<float>(n);
  ScaleAndWeigh<V>(x, weight, 1.0f / V::Root(mean + eps), n, out);
}

// The mean first, then the squares of what is left, which keeps digits where the mean is large.
template <BlockVec V>
inline void LayerNorm(const float* x, const float* weight, const float* bias, float eps, uint32_t n,
                      float* out) {
  const V mean = V::All(SumOf<V>(x, n) / static_cast<float>(n));
  Map<V>(x, x, n, out, [mean](V v, V) { return v - mean; });
  const float variance = SumOfSquares<V>(out, n) / static_cast<float>(n);
  ScaleAndWeigh<V>(out, weight, 1.0f / V::Root(variance + eps), n, out);
  Map<V>(out, bias, n, out, [](V v, V b) { return v + b; });
}

template <Vec V>
inline void Add(float* y, const float* x, uint32_t n) {
  Map<V>(y, x, n, y, [](V a, V b) { return a + b; });
}

template <Vec V>
inline void Scale(float* x, float factor, uint32_t n) {
  const V factors = V::All(factor);
  Map<V>(x, x, n, x, [factors](V a, V) { return a * factors; });
}

template <Vec V>
inline void Rope(float* head, const float* cos_sin, uint32_t n) {
  const uint32_t half = n / 2;
  for (uint32_t i = 0; i < half; i += V::kLanes) {
    const uint32_t count = half - i < V::kLanes ? half - i : V::kLanes;
    const V a = V::LoadFirst(head + i, count);
    const V b = V::LoadFirst(head + half + i, count);
    const V cosine = V::LoadFirst(cos_sin + i, count);
    const V sine = V::LoadFirst(cos_sin + half + i, count);
    MulSub(a, cosine, b * sine).StoreFirst(head + i, count);
    MulAdd(b, cosine, a * sine).StoreFirst(head + half + i, count);
  }
}

template <Vec V>
inline V Silu(V x) {
  return x / (V::All(1.0f) + Exp(V::All(0.0f) - x));
}

// gelu(x) = x / 2 * (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) * (x + 0.044715 x^3).
template <Vec V>
inline V GeluTanh(V x) {
  const V one = V::All(1.0f);
  const V cubic = MulAdd(x * x, V::All(0.044715f), one);
  return x / (one + Exp(x * V::All(-1.5957691216f) * cubic));
}

// gelu(x) = x / 2 * (1 + erf(x / sqrt(2))) = x - |x| * tail where x > 0 and -|x| * tail elsewhere,
// tail = erfc(|x| / sqrt(2)) / 2 by Abramowitz & Stegun 7.1.26.
template <Vec V>
inline V Gelu(V x) {
  const V zero = V::All(0.0f);
  const V size = Abs(x);
  const V t = V::All(1.0f) / MulAdd(size, V::All(0.3275911f * 0.70710678f), V::All(1.0f));
  V p = MulAdd(t, V::All(0.5f * 1.061405429f), V::All(0.5f * -1.453152027f));
  p = MulAdd(p, t, V::All(0.5f * 1.421413741f));
  p = MulAdd(p, t, V::All(0.5f * -0.284496736f));
  p = MulAdd(p, t, V::All(0.5f * 0.254829592f));
  const V tail = p * t * Exp(size * size * V::All(-0.5f));
  return NegMulAdd(size, tail, Max(x, zero));
}

template <Vec V>
inline void Gelu(const float* x, uint32_t n, float* out) {
  Map<V>(x, x, n, out, [](V v, V) { return Gelu(v); });
}

template <Vec V>
inline V SigmoidOf(V x) {
  return V::All(1.0f) / (V::All(1.0f) + Exp(V::All(0.0f) - x));
}

template <Vec V>
inline void Sigmoid(float* x, uint32_t n) {
  Map<V>(x, x, n, x, [](V a, V) { return SigmoidOf(a); });
}

template <Vec V>
inline void Softcap(float* x, float cap, uint32_t n) {
  const V caps = V::All(cap);
  Map<V>(x, x, n, x, [caps](V a, V) { return SoftcapOf(a, caps); });
}

template <Vec V>
inline void Swiglu(const float* gate, const float* up, uint32_t n, float* out) {
  Map<V>(gate, up, n, out, [](V g, V u) { return Silu(g) * u; });
}

template <Vec V>
inline void Geglu(const float* gate, const float* up, uint32_t n, float* out) {
  Map<V>(gate, up, n, out, [](V g, V u) { return GeluTanh(g) * u; });
}

}  // namespace
}  // namespace infe::kernels::vec
