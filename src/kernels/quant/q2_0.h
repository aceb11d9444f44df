// Q2_0: 64 values of 2 bits with one scale; 18 bytes, 2.25 bits a value.
// value = d * (q - 1).
// Error of a kernel: per 32 values one rounding of d * dx and one of the fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q2_0Block {
  uint16_t d;      // f16
  uint8_t qs[16];  // value i: bits 2 (i % 4).. of byte i / 4
};
static_assert(sizeof(Q2_0Block) == 18);

extern const QuantTypeTraits kQ2_0Traits;

}  // namespace infe::kernels
