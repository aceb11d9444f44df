// IQ4_NL: 32 values of 4 bits with one scale; 18 bytes, 4.5 bits a value.
// value = d * t[q], where t are sixteen levels that are not equally far apart (panels/layout.h).
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Iq4NlBlock {
  uint16_t d;      // f16
  uint8_t qs[16];  // low nibbles: values 0..15, high nibbles: 16..31
};
static_assert(sizeof(Iq4NlBlock) == 18);

extern const QuantTypeTraits kIq4NlTraits;

}  // namespace infe::kernels
