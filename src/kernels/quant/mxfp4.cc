#include "kernels/quant/mxfp4.h"

#include <bit>
#include <cstring>

#include "kernels/panels/layout.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Mxfp4Block Load(const std::byte* block) {
  Mxfp4Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Mxfp4Block b = Load(block);
  fields.scale = b.e;
  DecodeNibbles(b.qs, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Mxfp4Block b;
  b.e = static_cast<uint8_t>(fields.scale);
  EncodeNibbles(fields.codes, b.qs);
  std::memcpy(block, &b, sizeof b);
}

// 2^(e - 128): the exponent field of the float holds e - 1; the smallest two are subnormal.
float PowerOfTwo(uint32_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 32; ++i) {
    const Mxfp4Block b = Load(blocks + i * sizeof(Mxfp4Block));
    const float d = PowerOfTwo(b.e);
    uint8_t codes[32];
    DecodeNibbles(b.qs, codes);
    for (const uint8_t code : codes) {
      *out++ = d * static_cast<float>(kFloatTable[code] - kFloatTableOffset);
    }
  }
}

}  // namespace

const QuantTypeTraits kMxfp4Traits = {.type = QuantType::kMxfp4,
                                      .name = "MXFP4",
                                      .gguf_id = 39,
                                      .block_values = 32,
                                      .block_bytes = sizeof(Mxfp4Block),
                                      .dequantise = Dequantise,
                                      .decode = Decode,
                                      .encode = Encode,
                                      .roundings_per_32 = 2};

}  // namespace infe::kernels
