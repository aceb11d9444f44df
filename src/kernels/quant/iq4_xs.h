// IQ4_XS: 256 values of 4 bits, 8 sub-blocks of 32 with 6-bit scales; 136 bytes, 4.25 bits a value.
// value = d * (sc - 32) * t[q], with IQ4_NL's levels t.
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused multiply-add (d *
// sc is exact); two more for the reference's own d * sc * t.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Iq4XsBlock {
  uint16_t d;       // f16
  uint16_t high;    // bits 2 g.. are the upper two of the scale of sub-block g
  uint8_t low[4];   // nibble g: the lower four
  uint8_t qs[128];  // 16 bytes for each sub-block, as in IQ4_NL
};
static_assert(sizeof(Iq4XsBlock) == 136);

extern const QuantTypeTraits kIq4XsTraits;

}  // namespace infe::kernels
