// The activations of feed-forward parts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "model/layer_config.h"
#include "model/parts/part.h"

namespace infe::model {

// out = activation(gate) * up of n numbers, or activation(up) where there is no gate; gate and up
// are spoilt. out may be neither.
inline void Activate(const Step& step, Activation activation, float* gate, float* up, uint32_t n,
                     float* out) {
  // g * sigmoid(a g) * (u + 1) = silu(a g) * ((u + 1) / a).
  constexpr float kSlope = 1.702F;
  constexpr float kLimit = 7;
  switch (activation) {
    case Activation::kSwiGlu:
      return step.kernels.swiglu(gate, up, n, out);
    case Activation::kGeGlu:
      return step.kernels.geglu(gate, up, n, out);
    case Activation::kClampedSwiGlu:
      for (uint32_t i = 0; i < n; ++i) {
        gate[i] = std::min(gate[i], kLimit) * kSlope;
        up[i] = (std::clamp(up[i], -kLimit, kLimit) + 1) / kSlope;
      }
      return step.kernels.swiglu(gate, up, n, out);
    case Activation::kGelu:
      return step.kernels.gelu(up, n, out);
    case Activation::kReluSquared:
      for (uint32_t i = 0; i < n; ++i) {
        const float x = std::max(up[i], 0.0F);
        out[i] = x * x;
      }
      return;
  }
}

}  // namespace infe::model
