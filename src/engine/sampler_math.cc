#include "engine/sampler_math.h"

#include <cstring>
#include <limits>

namespace infe::engine {
namespace {

// Four lanes in the compilers' vector extension: baseline instructions on every 64-bit machine.
constexpr uint32_t kLanes = 4;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = int32_t __attribute__((vector_size(4 * kLanes)));

constexpr float kExpMin = -87.0f;  // below it 0

Floats Load(const float* x) {
  Floats v;
  std::memcpy(&v, x, sizeof v);
  return v;
}

// exp(x) for x in [-87, 0], relative error below 2e-7: 2^k times a polynomial on [-ln2/2, ln2/2].
// Cody and Waite's reduction with Cephes' coefficients for expf (Moshier).
Floats Exp(Floats x) {
  const Ints k = __builtin_convertvector(x * 1.44269504f - 0.5f, Ints);
  const Floats kf = __builtin_convertvector(k, Floats);
  const Floats r = (x - kf * 0.693359375f) + kf * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * (Floats)((k + 127) << 23);
}

// exp((x - shift) * factor), 0 where the exponent is below kExpMin or no number.
Floats Weight(Floats x, float shift, float factor, Floats* inside) {
  const Floats exponent = (x - shift) * factor;
  const Ints in = exponent > kExpMin;
  *inside = (Floats)((in & (Ints)exponent) | (~in & (Ints)(Floats{} + kExpMin)));
  return (Floats)(in & (Ints)Exp(*inside));
}

}  // namespace

void Weigh(const float* x, float shift, float factor, float per_unit, float bucket_last,
           float* weights, int32_t* buckets) {
  for (uint32_t i = 0; i < kWeighCount; i += kLanes) {
    Floats inside;
    const Floats weight = Weight(Load(x + i), shift, factor, &inside);
    const Floats bucket = inside * -per_unit;
    const Ints open = bucket > bucket_last;
    const Ints limited = (open & (Ints)(Floats{} + bucket_last)) | (~open & (Ints)bucket);
    const Ints number = __builtin_convertvector((Floats)limited, Ints);
    std::memcpy(weights + i, &weight, sizeof weight);
    std::memcpy(buckets + i, &number, sizeof number);
  }
}

}  // namespace infe::engine
