// Q5_K: 256 values of 5 bits, 8 sub-blocks of 32 with 6-bit scales and minima; 176 bytes, 5.5
// bits a value.
// value = d * sc * q - dmin * m.
// Error of a kernel: per 32 values one rounding of dw * dx (d * sc is exact: 11 and 6
// bits), one of each of two fused multiply-adds and one of the activations' scaled sum; two
// roundings more for the reference's own d * sc * q - dmin * m.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q5_KBlock {
  uint16_t d;          // f16
  uint16_t dmin;       // f16
  uint8_t scales[12];  // 8 scales and 8 minima of 6 bits (block_bits.h)
  uint8_t qh[32];      // fifth bits: value i of sub-block j is bit j of byte i
  uint8_t qs[128];     // bytes 32 i..: low nibbles sub-block 2 i, high nibbles sub-block 2 i + 1
};
static_assert(sizeof(Q5_KBlock) == 176);

extern const QuantTypeTraits kQ5_KTraits;

}  // namespace infe::kernels
