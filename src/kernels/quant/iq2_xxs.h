// IQ2_XXS: 256 values by 32 vectors of a codebook of 256, seven signs for each vector, 8 sub-blocks
// of 32 with 4-bit scales; 66 bytes, 2.0625 bits a value.
// value = d * (2 sc + 1) / 8 * sign * entry.
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused multiply-add; the
// reference rounds nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Iq2XxsBlock {
  uint16_t d;  // f16
  struct {
    uint8_t entries[4];  // of 8 values each
    uint8_t word[4];     // bits 7 g..: the signs of vector g; bits 28..: the scale
  } sub[8];
};
static_assert(sizeof(Iq2XxsBlock) == 66);

extern const QuantTypeTraits kIq2XxsTraits;

}  // namespace infe::kernels
