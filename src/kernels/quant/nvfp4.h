// NVFP4: 64 floats of 4 bits (two of exponent, one of mantissa), 4 sub-blocks of 16 with scales
// that are floats of 8 bits without a sign; 36 bytes, 4.5 bits a value. value = sc / 2 * t, where t
// is twice the float: an integer up to 12. Files multiply a whole tensor by one more factor, which
// is a tensor of its own. Error of a kernel: per 32 values the rounding of the two halves' sum,
// each of whose terms is exact (15 and 4 bits), and of the fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Nvfp4Block {
  uint8_t scales[4];  // bits 3..6 exponent, of bias 7; bits 0..2 mantissa; 0x7f is zero
  uint8_t qs[32];  // 8 bytes for each 16 values: low nibbles the first 8, high nibbles the others
};
static_assert(sizeof(Nvfp4Block) == 36);

extern const QuantTypeTraits kNvfp4Traits;

}  // namespace infe::kernels
