// The parts of one quantised block of one row, in element order: what packing rearranges. Decoding
// and encoding lose nothing, so a packed matrix can give back its GGUF blocks byte for byte.
#pragma once

#include <cstdint>

namespace infe::kernels {

struct BlockFields {
  uint16_t scale = 0;           // f16 bits: d; MXFP4: the exponent's byte
  uint16_t min = 0;             // f16 bits: m (Q4_1, Q5_1) or dmin (Q4_K, Q5_K)
  uint8_t sub_scales[16] = {};  // Q4_K, Q5_K: 8 of 6 bits; two's complement: Q6_K 16, IQ4_XS 8
  uint8_t sub_mins[8] = {};     // Q4_K, Q5_K: 8 of 6 bits
  uint8_t codes[256] = {};      // the integers before any offset or table; Q8_0: two's complement
};

}  // namespace infe::kernels
