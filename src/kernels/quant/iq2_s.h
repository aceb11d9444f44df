// IQ2_S: 256 values by 32 vectors of a codebook of 1,024, a sign for each value, 16 sub-blocks of
// 16 with 4-bit scales; 82 bytes, 2.5625 bits a value. value = d * (2 sc + 1) / 8 * sign * entry.
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused multiply-add; the
// reference rounds nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Iq2SBlock {
  uint16_t d;           // f16
  uint8_t entries[32];  // of 8 values each: the low eight bits of the entry's number
  uint8_t signs[32];
  uint8_t high[8];    // bits 2 g..: the upper two of vector g of four
  uint8_t scales[8];  // of 32 values: the low nibble for the first 16
};
static_assert(sizeof(Iq2SBlock) == 82);

extern const QuantTypeTraits kIq2STraits;

}  // namespace infe::kernels
