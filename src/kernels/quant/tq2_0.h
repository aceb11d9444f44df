// TQ2_0: 256 ternary values of 2 bits with one scale; 66 bytes, 2.0625 bits a value.
// value = d * (q - 1).
// Error of a kernel: per 32 values one rounding of d * dx and one of the fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct TQ2_0Block {
  uint8_t qs[64];  // value i: bits 2 (i % 128 / 32).. of qs[32 (i / 128) + i % 32]
  uint16_t d;      // f16
};
static_assert(sizeof(TQ2_0Block) == 66);

extern const QuantTypeTraits kTQ2_0Traits;

}  // namespace infe::kernels
