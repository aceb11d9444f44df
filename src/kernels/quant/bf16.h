// BF16: the upper half of an IEEE 754 binary32, 2 bytes a value. Products read the f32 activations.
// Error of a kernel: one rounding per value, that of its fused multiply-add: 32 per 32 values.
#pragma once

#include "kernels/quant_type.h"

namespace infe::kernels {

extern const QuantTypeTraits kBF16Traits;

}  // namespace infe::kernels
