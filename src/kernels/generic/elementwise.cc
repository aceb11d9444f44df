// Sums are in f64 here and nothing is fused: the rest is what every ISA runs (vec/).
#include <cmath>
#include <limits>

#include "kernels/generic/generic.h"
#include "kernels/generic/vec.h"
#include "kernels/vec/elementwise-inl.h"

namespace infe::kernels::generic {

void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out) {
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
  const auto mean = static_cast<float>(sum / n);
  vec::ScaleAndWeigh<Vec>(x, weight, 1.0f / std::sqrt(mean + eps), n, out);
}

void LayerNorm(const float* x, const float* weight, const float* bias, float eps, uint32_t n,
               float* out) {
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) sum += x[i];
  const double mean = sum / n;
  double squares = 0;
  for (uint32_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const auto variance = static_cast<float>(squares / n);
  const float factor = 1.0f / std::sqrt(variance + eps);
  for (uint32_t i = 0; i < n; ++i)
    out[i] = static_cast<float>(x[i] - mean) * factor * weight[i] + bias[i];
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

// vec::GeluTanh with the factors of the cubic term in another order: answers of a CPU without
// vectors keep their bits.
void Geglu(const float* gate, const float* up, uint32_t n, float* out) {
  vec::Map<Vec>(gate, up, n, out, [](Vec g, Vec u) {
    const Vec one = Vec::All(1.0f);
    const Vec cubic = MulAdd(Vec::All(0.044715f) * g, g, one);
    return g / (one + vec::Exp(g * Vec::All(-1.5957691216f) * cubic)) * u;
  });
}

void Sigmoid(float* x, uint32_t n) {
  vec::Sigmoid<Vec>(x, n);
}

void Softcap(float* x, float cap, uint32_t n) {
  vec::Softcap<Vec>(x, cap, n);
}

void Gelu(const float* x, uint32_t n, float* out) {
  vec::Gelu<Vec>(x, n, out);
}

void Scale(float* x, float factor, uint32_t n) {
  vec::Scale<Vec>(x, factor, n);
}

float MaxIndex(const float* x, uint32_t n, uint32_t* index) {
  // From -infinity: what is no number never wins.
  float max = -std::numeric_limits<float>::infinity();
  *index = 0;
  for (uint32_t i = 0; i < n; ++i) {
    if (!(x[i] > max)) continue;
    max = x[i];
    *index = i;
  }
  return max;
}

double ExpSum(const float* x, float shift, float factor, uint32_t n) {
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) sum += vec::Exp(Vec{(x[i] - shift) * factor}).v;
  return sum;
}

}  // namespace infe::kernels::generic
