// IQ3_S: 256 values by 64 vectors of a codebook of 512, a sign for each value, 8 sub-blocks of 32
// with 4-bit scales; 110 bytes, 3.4375 bits a value. value = d * (2 sc + 1) * sign * entry. The
// fields hold 2 sc + 1. Error of a kernel: per 32 values one rounding of dw * dx and one of the
// fused multiply-add; the reference rounds nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Iq3SBlock {
  uint16_t d;           // f16
  uint8_t entries[64];  // of 4 values each: the low eight bits of the entry's number
  uint8_t high[8];      // bit g: the ninth of vector g of eight
  uint8_t signs[32];
  uint8_t scales[4];  // nibble j: the scale of sub-block j
};
static_assert(sizeof(Iq3SBlock) == 110);

extern const QuantTypeTraits kIq3STraits;

}  // namespace infe::kernels
