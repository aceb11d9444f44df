// The three loops over a vocabulary that sampling needs, in plain C++ and without libm: the same
// inputs give the same bits on every machine. The kernels' tables have faster ones.
#pragma once

#include <cstdint>

namespace infe::engine {

struct SamplerMath {
  // max(x[0..n)), n >= 1; NaN never wins.
  float (*max)(const float* x, uint32_t n);
  // Sum over i of exp((x[i] - shift) * factor), x[i] <= shift, in an order fixed by n alone.
  double (*exp_sum)(const float* x, float shift, float factor, uint32_t n);
};

extern const SamplerMath kPlainMath;

}  // namespace infe::engine
