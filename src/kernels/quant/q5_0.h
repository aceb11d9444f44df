// Q5_0: 32 values of 5 bits with one scale; 22 bytes, 5.5 bits a value.
// value = d * (q - 16).
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused
// multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q5_0Block {
  uint16_t d;      // f16
  uint8_t qh[4];   // fifth bits: value i is bit i % 8 of byte i / 8
  uint8_t qs[16];  // low nibbles: values 0..15, high nibbles: 16..31
};
static_assert(sizeof(Q5_0Block) == 22);

extern const QuantTypeTraits kQ5_0Traits;

}  // namespace infe::kernels
