// Q1_0: 128 signs with one scale; 18 bytes, 1.125 bits a value.
// value = d * (2 q - 1).
// Error of a kernel: per 32 values one rounding of d * dx and one of the fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q1_0Block {
  uint16_t d;      // f16
  uint8_t qs[16];  // value i: bit i % 8 of byte i / 8
};
static_assert(sizeof(Q1_0Block) == 18);

extern const QuantTypeTraits kQ1_0Traits;

}  // namespace infe::kernels
