// Q3_K: 256 values of 3 bits, 16 sub-blocks of 16 with 6-bit scales; 110 bytes, 3.4375 bits a
// value. value = d * (sc - 32) * (q - 4). Error of a kernel: per 32 values one rounding of dw * dx
// and one of the fused multiply-add (the two sub-blocks are summed in integers: 32 * 4 * 127 * 32 <
// 2^24); the reference rounds nothing (11, 6 and 3 bits).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

struct Q3_KBlock {
  // Value i: half = i / 128, j = i % 128. Its low two bits are bits 2 (j / 32).. of
  // qs[32 half + j % 32], its third is bit i / 32 of hmask[i % 32].
  uint8_t hmask[32];
  uint8_t qs[64];
  // Scale k: its low four bits are a nibble of byte k % 8, the low one for k < 8; its upper two are
  // bits 2 (k / 4).. of byte 8 + k % 4.
  uint8_t scales[12];
  uint16_t d;  // f16
};
static_assert(sizeof(Q3_KBlock) == 110);

extern const QuantTypeTraits kQ3_KTraits;

}  // namespace infe::kernels
