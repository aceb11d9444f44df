// TQ1_0: 256 ternary values with one scale, five to a byte; 54 bytes, 1.6875 bits a value.
// value = d * (q - 1). In the panels they take the two bits of TQ2_0.
// Error of a kernel: per 32 values one rounding of d * dx and one of the fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct TQ1_0Block {
  // A byte is a fraction of 256 of which digits of base 3 are the values, the most significant
  // first. Value i < 160: digit i / 32 of qs[i % 32]; then i' = i - 160 < 80: digit i' / 16 of
  // qs[32 + i' % 16]; then i" = i' - 80: digit i" / 4 of qh[i" % 4].
  uint8_t qs[48];
  uint8_t qh[4];
  uint16_t d;  // f16
};
static_assert(sizeof(TQ1_0Block) == 54);

extern const QuantTypeTraits kTQ1_0Traits;

}  // namespace infe::kernels
