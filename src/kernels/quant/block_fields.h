// The parts of one quantised block of one row, in element order: what packing rearranges. Decoding
// and encoding lose nothing, so a packed matrix can give back its GGUF blocks byte for byte.
#pragma once

#include <cstdint>

namespace infe::kernels {

struct BlockFields {
  uint16_t scale = 0;  // f16 bits: d; MXFP4: the exponent's byte
  uint16_t min = 0;    // f16 bits: m (Q4_1, Q5_1) or dmin (Q2_K, Q4_K, Q5_K)
  // Q4_K, Q5_K: 8 of 6 bits. Two's complement: Q3_K, Q6_K 16; IQ4_XS 8. Q2_K: 16, a scale in the
  // low nibble, a minimum in the high one.
  // IQ2_XXS, IQ3_XXS: 8 of 4 bits; IQ2_XS, IQ2_S: 8 of two nibbles; IQ3_S: 8, twice and one. NVFP4:
  // 4 floats of 8 bits.
  uint8_t sub_scales[16] = {};
  uint8_t sub_mins[8] = {};  // Q4_K, Q5_K: 8 of 6 bits
  uint8_t codes[256] = {};   // the integers before any offset or table; Q8_0: two's complement
  // IQ2_*, IQ3_*, instead of codes: numbers of codebook entries (32 of eight values or 64 of four),
  // and bit j of byte g is set where value 8 g + j is negative.
  uint16_t indices[64] = {};
  uint8_t signs[32] = {};
};

}  // namespace infe::kernels
