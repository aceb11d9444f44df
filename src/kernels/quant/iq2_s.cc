#include "kernels/quant/iq2_s.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/codebooks.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Iq2SBlock Load(const std::byte* block) {
  Iq2SBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Iq2SBlock b = Load(block);
  fields.scale = b.d;
  std::memcpy(fields.sub_scales, b.scales, sizeof b.scales);
  std::memcpy(fields.signs, b.signs, sizeof b.signs);
  for (int g = 0; g < 32; ++g) {
    const int high = b.high[g / 4] >> g % 4 * 2 & 3;
    fields.indices[g] = static_cast<uint16_t>(b.entries[g] | high << 8);
  }
}

void Encode(const BlockFields& fields, std::byte* block) {
  Iq2SBlock b = {};
  b.d = fields.scale;
  std::memcpy(b.scales, fields.sub_scales, sizeof b.scales);
  std::memcpy(b.signs, fields.signs, sizeof b.signs);
  for (int g = 0; g < 32; ++g) {
    b.entries[g] = static_cast<uint8_t>(fields.indices[g]);
    b.high[g / 4] |= static_cast<uint8_t>((fields.indices[g] >> 8 & 3) << g % 4 * 2);
  }
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Iq2SBlock), f);
    const float d = F16ToF32(f.scale);
    float scales[16];
    for (int k = 0; k < 16; ++k)
      scales[k] = d * static_cast<float>(2 * (f.sub_scales[k / 2] >> k % 2 * 4 & 15) + 1) * 0.125f;
    DequantiseEntries(f, kIq2SCodebook, scales, out + 256 * i);
  }
}

}  // namespace

const QuantTypeTraits kIq2STraits = {.type = QuantType::kIq2S,
                                     .name = "IQ2_S",
                                     .gguf_id = 22,
                                     .block_values = 256,
                                     .block_bytes = sizeof(Iq2SBlock),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
