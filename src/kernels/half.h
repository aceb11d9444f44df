// f16 and bf16 in portable integer arithmetic: the reference, and the generic kernels' KV cache.
// IEEE 754 binary16, rounding to nearest even; NaN stays NaN.
#pragma once

#include <cstdint>

namespace infe::kernels {

float F16ToF32(uint16_t bits);
uint16_t F32ToF16(float value);
float Bf16ToF32(uint16_t bits);

}  // namespace infe::kernels
