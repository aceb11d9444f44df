// MXFP4: 32 floats of 4 bits (two of exponent, one of mantissa) with one power of two; 17 bytes,
// 4.25 bits a value. value = 2^(e - 128) * t, where t is twice the float: an integer up to 12.
// Rouhani et al. 2023.
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Mxfp4Block {
  uint8_t e;
  uint8_t qs[16];  // low nibbles: values 0..15, high nibbles: 16..31
};
static_assert(sizeof(Mxfp4Block) == 17);

extern const QuantTypeTraits kMxfp4Traits;

}  // namespace infe::kernels
