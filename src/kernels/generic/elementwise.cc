#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/generic/generic.h"

namespace infe::kernels::generic {

// e^x = 2^n * e^r with n = round(x / ln 2), |r| <= ln 2 / 2, e^r by the degree-7 polynomial of
// Cephes' expf. Within 2 units in the last place on [-87, 88]; outside, the value at the border.
float Exp(float x) {
  x = std::min(std::max(x, -87.0f), 88.0f);
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const auto exponent = static_cast<int32_t>(n) + 127;
  return p * std::bit_cast<float>(exponent << 23);
}

void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out) {
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
  const auto mean = static_cast<float>(sum / n);
  const float factor = 1.0f / std::sqrt(mean + eps);
  for (uint32_t i = 0; i < n; ++i) out[i] = x[i] * factor * weight[i];
}

void Add(float* y, const float* x, uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) y[i] += x[i];
}

void Rope(float* head, const float* cos_sin, uint32_t n) {
  const uint32_t half = n / 2;
  for (uint32_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[half + i];
    head[i] = a * cos_sin[i] - b * cos_sin[half + i];
    head[half + i] = b * cos_sin[i] + a * cos_sin[half + i];
  }
}

void Swiglu(const float* gate, const float* up, uint32_t n, float* out) {
  for (uint32_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + Exp(-gate[i])) * up[i];
}

// gelu(x) = x / 2 * (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) * (x + 0.044715 x^3).
void Geglu(const float* gate, const float* up, uint32_t n, float* out) {
  for (uint32_t i = 0; i < n; ++i) {
    const float x = gate[i];
    const float u = 0.7978845608f * x * (1.0f + 0.044715f * x * x);
    out[i] = x / (1.0f + Exp(-2.0f * u)) * up[i];
  }
}

void Scale(float* x, float factor, uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) x[i] *= factor;
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
  for (uint32_t i = 0; i < n; ++i) sum += Exp((x[i] - shift) * factor);
  return sum;
}

}  // namespace infe::kernels::generic
