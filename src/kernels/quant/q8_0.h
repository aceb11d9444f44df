// Q8_0: 32 values of 8 bits with one scale; 34 bytes, 8.5 bits a value.
// value = d * q.
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused
// multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q8_0Block {
  uint16_t d;     // f16
  int8_t qs[32];  // in element order
};
static_assert(sizeof(Q8_0Block) == 34);

extern const QuantTypeTraits kQ8_0Traits;

}  // namespace infe::kernels
