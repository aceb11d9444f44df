#include "kernels/quant/nvfp4.h"

#include <cstring>

#include "kernels/panels/layout.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Nvfp4Block Load(const std::byte* block) {
  Nvfp4Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

// Half of a scale.
float HalfScale(uint32_t bits) {
  if (bits == 0x7f) return 0.0f;
  const uint32_t exponent = bits >> 3 & 15;
  const auto mantissa = static_cast<float>(bits & 7);
  if (exponent == 0) return mantissa * 0x1p-10f;
  return (8.0f + mantissa) * static_cast<float>(1 << exponent) * 0x1p-11f;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Nvfp4Block b = Load(block);
  for (int k = 0; k < 4; ++k) fields.sub_scales[k] = b.scales[k];
  for (int i = 0; i < 64; ++i) fields.codes[i] = b.qs[i / 16 * 8 + i % 8] >> (i % 16 / 8 * 4) & 15;
}

void Encode(const BlockFields& fields, std::byte* block) {
  Nvfp4Block b = {};
  for (int k = 0; k < 4; ++k) b.scales[k] = fields.sub_scales[k];
  for (int i = 0; i < 64; ++i)
    b.qs[i / 16 * 8 + i % 8] |= static_cast<uint8_t>((fields.codes[i] & 15) << (i % 16 / 8 * 4));
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 64; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Nvfp4Block), f);
    for (int j = 0; j < 64; ++j)
      *out++ = HalfScale(f.sub_scales[j / 16]) *
               static_cast<float>(kFloatTable[f.codes[j]] - kFloatTableOffset);
  }
}

}  // namespace

const QuantTypeTraits kNvfp4Traits = {.type = QuantType::kNvfp4,
                                      .name = "NVFP4",
                                      .gguf_id = 40,
                                      .block_values = 64,
                                      .block_bytes = sizeof(Nvfp4Block),
                                      .dequantise = Dequantise,
                                      .decode = Decode,
                                      .encode = Encode,
                                      .roundings_per_32 = 2};

}  // namespace infe::kernels
