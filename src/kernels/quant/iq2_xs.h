// IQ2_XS: 256 values by 32 vectors of a codebook of 512, seven signs for each vector, 16 sub-blocks
// of 16 with 4-bit scales; 74 bytes, 2.3125 bits a value.
// value = d * (2 sc + 1) / 8 * sign * entry.
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused multiply-add; the
// reference rounds nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Iq2XsBlock {
  uint16_t d;          // f16
  uint16_t codes[32];  // of 8 values each: 9 bits of the entry's number, 7 signs
  uint8_t scales[8];   // of 32 values: the low nibble for the first 16
};
static_assert(sizeof(Iq2XsBlock) == 74);

extern const QuantTypeTraits kIq2XsTraits;

}  // namespace infe::kernels
