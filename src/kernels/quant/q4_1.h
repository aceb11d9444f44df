// Q4_1: 32 values of 4 bits with a scale and a minimum; 20 bytes, 5 bits a value.
// value = d * q + m.
// Error of a kernel: per 32 values one rounding of dw * dx, one of each of two
// fused multiply-adds and one of the activations' scaled sum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q4_1Block {
  uint16_t d;      // f16
  uint16_t m;      // f16
  uint8_t qs[16];  // low nibbles: values 0..15, high nibbles: 16..31
};
static_assert(sizeof(Q4_1Block) == 20);

extern const QuantTypeTraits kQ4_1Traits;

}  // namespace infe::kernels
