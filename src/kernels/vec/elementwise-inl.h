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

// Over 32 sums, column i in sum i % 32; what is left after whole blocks goes eight at a time to the
// first eight sums.
template <BlockVec V>
inline float SumOfSquares(const float* x, uint32_t n) {
  constexpr uint32_t kVectors = kBlockLanes / V::kLanes;
  constexpr uint32_t kStep = V::kLanes < 8 ? V::kLanes : 8;
  V sums[kVectors];
  for (V& sum : sums) sum = V::All(0.0f);
  uint32_t i = 0;
  for (; i + kBlockLanes <= n; i += kBlockLanes) {
    for (uint32_t j = 0; j < kVectors; ++j) {
      const V v = V::Load(x + i + V::kLanes * j);
      sums[j] = MulAdd(v, v, sums[j]);
    }
  }
  for (uint32_t j = 0; i < n; i += kStep, j = (j + 1) % (8 / kStep)) {
    const V v = V::LoadFirst(x + i, n - i < kStep ? n - i : kStep);
    sums[j] = MulAdd(v, v, sums[j]);
  }
  return Sum32(sums);
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
