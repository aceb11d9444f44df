// Bit placements that several block formats share.
#pragma once

#include <cstdint>

#include "kernels/quant/block_fields.h"

namespace infe::kernels {

// 32 nibbles: byte i holds value i (low) and value 16 + i (high). Q4_0, Q4_1, Q5_0, Q5_1.
void DecodeNibbles(const uint8_t* bytes, uint8_t* codes);
void EncodeNibbles(const uint8_t* codes, uint8_t* bytes);

// 32 fifth bits in 4 bytes: value i is bit i % 8 of byte i / 8. Q5_0, Q5_1. AddBitPlane ORs them
// into codes as 16.
void AddBitPlane(const uint8_t* bytes, uint8_t* codes);
void EncodeBitPlane(const uint8_t* codes, uint8_t* bytes);

// 256 nibbles: bytes 32 i .. hold sub-block 2 i (low) and 2 i + 1 (high). Q4_K, Q5_K.
void DecodeSuperNibbles(const uint8_t* bytes, uint8_t* codes);
void EncodeSuperNibbles(const uint8_t* codes, uint8_t* bytes);

// 256 pairs of bits: value i is bits 2 (i % 128 / 32).. of byte 32 (i / 128) + i % 32. Q2_K, Q3_K,
// TQ2_0. Encoding takes the codes' lowest two bits and ORs them into zeros.
void DecodeBitPairs(const uint8_t* bytes, uint8_t* codes);
void EncodeBitPairs(const uint8_t* codes, uint8_t* bytes);

// 8 scales and 8 minima of 6 bits in 12 bytes: scale j < 4 is the low 6 bits of byte j, minimum
// j < 4 those of byte 4 + j; scale and minimum 4 + j have their low nibbles in byte 8 + j and their
// upper two bits in the top of bytes j and 4 + j. Q4_K, Q5_K.
void DecodeSubScales(const uint8_t* bytes, BlockFields& fields);
void EncodeSubScales(const BlockFields& fields, uint8_t* bytes);

// f32 of a whole Q4_K or Q5_K block, in the reference's order of roundings.
void DequantiseSubBlocks(const BlockFields& fields, float* out);

}  // namespace infe::kernels
