// IQ3_XXS: 256 values by 64 vectors of a codebook of 256, seven signs for each two vectors, 8
// sub-blocks of 32 with 4-bit scales; 98 bytes, 3.0625 bits a value.
// value = d * (2 sc + 1) / 4 * sign * entry.
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused multiply-add; the
// reference rounds nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Iq3XxsBlock {
  uint16_t d;           // f16
  uint8_t entries[64];  // of 4 values each
  uint8_t words[8][4];  // bits 7 g..: the signs of values 8 g.. of 32; bits 28..: the scale
};
static_assert(sizeof(Iq3XxsBlock) == 98);

extern const QuantTypeTraits kIq3XxsTraits;

}  // namespace infe::kernels
