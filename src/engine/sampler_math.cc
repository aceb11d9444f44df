#include "engine/sampler_math.h"

#include <bit>
#include <cmath>
#include <limits>

namespace infe::engine {
namespace {

constexpr uint32_t kLanes = 8;  // independent chains, so that the compiler can use vectors

float PlainMax(const float* x, uint32_t n) {
  float best[kLanes];
  for (float& b : best) b = -std::numeric_limits<float>::infinity();
  uint32_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (uint32_t j = 0; j < kLanes; ++j) best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
  }
  for (uint32_t j = 0; i < n; ++i, ++j) best[j] = x[i] > best[j] ? x[i] : best[j];
  for (uint32_t j = 1; j < kLanes; ++j) best[0] = best[j] > best[0] ? best[j] : best[0];
  return best[0];
}

// exp(x) for x <= 0, relative error below 2e-7: 2^k times a polynomial on [-ln2/2, ln2/2].
// Cody and Waite's reduction with Cephes' coefficients for expf (Moshier). NaN gives 0.
float Exp(float x) {
  if (!(x > -87.0f)) return 0.0f;
  const float k = static_cast<float>(static_cast<int>(x * 1.44269504f - 0.5f));
  const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * std::bit_cast<float>((static_cast<int>(k) + 127) << 23);
}

double PlainExpSum(const float* x, float shift, float factor, uint32_t n) {
  double sum[kLanes] = {};
  for (uint32_t i = 0; i < n; ++i) sum[i % kLanes] += Exp((x[i] - shift) * factor);
  for (uint32_t j = 1; j < kLanes; ++j) sum[0] += sum[j];
  return sum[0];
}

}  // namespace

const SamplerMath kPlainMath = {PlainMax, PlainExpSum};

}  // namespace infe::engine
