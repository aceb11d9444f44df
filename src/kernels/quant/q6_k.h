// Q6_K: 256 values of 6 bits, 16 sub-blocks of 16 with s8 scales; 210 bytes, 6.5625 bits a value.
// value = d * sc * (q - 32).
// Error of a kernel: per 32 values one rounding of dw * dx and one of the fused
// multiply-add (the two sub-blocks are summed in integers: 32 * 32 * 127 * 128 < 2^24); two more
// for the reference's own d * sc * q.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q6_KBlock {
  // Value i: half = i / 128, j = i % 128. Its low four bits are a nibble of ql[64 half + j % 64],
  // the low one for j < 64; its high two bits are bits 2 (j / 32).. of qh[32 half + j % 32].
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint16_t d;  // f16
};
static_assert(sizeof(Q6_KBlock) == 210);

extern const QuantTypeTraits kQ6_KTraits;

}  // namespace infe::kernels
