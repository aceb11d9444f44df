#include "kernels/quant/block_bits.h"

#include <cstring>

#include "kernels/half.h"

namespace infe::kernels {

void DecodeNibbles(const uint8_t* bytes, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = bytes[i] & 15;
    codes[16 + i] = bytes[i] >> 4;
  }
}

void EncodeNibbles(const uint8_t* codes, uint8_t* bytes) {
  for (int i = 0; i < 16; ++i)
    bytes[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[16 + i] & 15) << 4);
}

void AddBitPlane(const uint8_t* bytes, uint8_t* codes) {
  for (int i = 0; i < 4; ++i) {
    // Byte j of the product keeps bit j alone; adding 0x7f carries it into the byte's top bit.
    const uint64_t bits = bytes[i] * 0x0101010101010101u & 0x8040201008040201u;
    const uint64_t ones = (bits + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
    uint64_t eight;
    std::memcpy(&eight, codes + 8 * i, sizeof eight);
    eight |= ones << 4;
    std::memcpy(codes + 8 * i, &eight, sizeof eight);
  }
}

void EncodeBitPlane(const uint8_t* codes, uint8_t* bytes) {
  for (int i = 0; i < 4; ++i) bytes[i] = 0;
  for (int i = 0; i < 32; ++i) bytes[i / 8] |= static_cast<uint8_t>((codes[i] >> 4 & 1) << (i % 8));
}

void DecodeSuperNibbles(const uint8_t* bytes, uint8_t* codes) {
  for (int i = 0; i < 128; ++i) {
    codes[i / 32 * 64 + i % 32] = bytes[i] & 15;
    codes[i / 32 * 64 + 32 + i % 32] = bytes[i] >> 4;
  }
}

void EncodeSuperNibbles(const uint8_t* codes, uint8_t* bytes) {
  for (int i = 0; i < 128; ++i) {
    const int low = codes[i / 32 * 64 + i % 32] & 15;
    const int high = codes[i / 32 * 64 + 32 + i % 32] & 15;
    bytes[i] = static_cast<uint8_t>(low | high << 4);
  }
}

void DecodeBitPairs(const uint8_t* bytes, uint8_t* codes) {
  for (int i = 0; i < 256; ++i) codes[i] = bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

void EncodeBitPairs(const uint8_t* codes, uint8_t* bytes) {
  for (int i = 0; i < 256; ++i)
    bytes[i / 128 * 32 + i % 32] |= static_cast<uint8_t>((codes[i] & 3) << (i % 128 / 32 * 2));
}

void DecodeSubScales(const uint8_t* bytes, BlockFields& fields) {
  for (int j = 0; j < 4; ++j) {
    fields.sub_scales[j] = bytes[j] & 63;
    fields.sub_mins[j] = bytes[4 + j] & 63;
    fields.sub_scales[4 + j] = static_cast<uint8_t>((bytes[8 + j] & 15) | (bytes[j] >> 6) << 4);
    fields.sub_mins[4 + j] = static_cast<uint8_t>((bytes[8 + j] >> 4) | (bytes[4 + j] >> 6) << 4);
  }
}

void EncodeSubScales(const BlockFields& fields, uint8_t* bytes) {
  for (int j = 0; j < 4; ++j) {
    const int scale = fields.sub_scales[4 + j];
    const int min = fields.sub_mins[4 + j];
    bytes[j] = static_cast<uint8_t>((fields.sub_scales[j] & 63) | (scale >> 4 & 3) << 6);
    bytes[4 + j] = static_cast<uint8_t>((fields.sub_mins[j] & 63) | (min >> 4 & 3) << 6);
    bytes[8 + j] = static_cast<uint8_t>((scale & 15) | (min & 15) << 4);
  }
}

void DequantiseSubBlocks(const BlockFields& fields, float* out) {
  const float d = F16ToF32(fields.scale);
  const float dmin = F16ToF32(fields.min);
  for (int i = 0; i < 256; ++i) {
    const float scale = d * static_cast<float>(fields.sub_scales[i / 32]);
    const float min = dmin * static_cast<float>(fields.sub_mins[i / 32]);
    out[i] = scale * static_cast<float>(fields.codes[i]) - min;
  }
}

}  // namespace infe::kernels
