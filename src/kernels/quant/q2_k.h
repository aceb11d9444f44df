// Q2_K: 256 values of 2 bits, 16 sub-blocks of 16 with 4-bit scales and minima; 84 bytes, 2.625
// bits a value.
// value = d * sc * q - dmin * m.
// Error of a kernel: per 32 values the roundings of dw * dx and of dmin * dx and of two fused
// multiply-adds (both sums over two sub-blocks are integers: 32 * 3 * 127 * 15 and 32 * 127 * 15
// are below 2^24); one more for the reference's own difference, whose terms are exact.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q2_KBlock {
  uint8_t scales[16];  // of values 16 k..: a scale in the low nibble, a minimum in the high one
  uint8_t qs[64];      // value i: bits 2 (i % 128 / 32).. of qs[32 (i / 128) + i % 32]
  uint16_t d;          // f16
  uint16_t dmin;       // f16
};
static_assert(sizeof(Q2_KBlock) == 84);

extern const QuantTypeTraits kQ2_KTraits;

}  // namespace infe::kernels
