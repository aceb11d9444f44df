// Q5_1: 32 values of 5 bits with a scale and a minimum; 24 bytes, 6 bits a value.
// value = d * q + m.
// Error of a kernel: per 32 values one rounding of dw * dx, one of each of two
// fused multiply-adds and one of the activations' scaled sum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q5_1Block {
  uint16_t d;      // f16
  uint16_t m;      // f16
  uint8_t qh[4];   // fifth bits: value i is bit i % 8 of byte i / 8
  uint8_t qs[16];  // low nibbles: values 0..15, high nibbles: 16..31
};
static_assert(sizeof(Q5_1Block) == 24);

extern const QuantTypeTraits kQ5_1Traits;

}  // namespace infe::kernels
