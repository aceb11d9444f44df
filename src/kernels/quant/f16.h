// F16: IEEE 754 binary16, 2 bytes a value. Products read the f32 activations.
// Error of a kernel: one rounding per value, that of its fused multiply-add: 32 per 32 values.
#pragma once

#include "kernels/quant_type.h"

namespace infe::kernels {

extern const QuantTypeTraits kF16Traits;

}  // namespace infe::kernels
