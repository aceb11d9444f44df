#include "kernels/quant/iq3_s.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/codebooks.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Iq3SBlock Load(const std::byte* block) {
  Iq3SBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Iq3SBlock b = Load(block);
  fields.scale = b.d;
  std::memcpy(fields.signs, b.signs, sizeof b.signs);
  for (int j = 0; j < 8; ++j)
    fields.sub_scales[j] = static_cast<uint8_t>(2 * (b.scales[j / 2] >> j % 2 * 4 & 15) + 1);
  for (int g = 0; g < 64; ++g) {
    const int high = b.high[g / 8] >> g % 8 & 1;
    fields.indices[g] = static_cast<uint16_t>(b.entries[g] | high << 8);
  }
}

void Encode(const BlockFields& fields, std::byte* block) {
  Iq3SBlock b = {};
  b.d = fields.scale;
  std::memcpy(b.signs, fields.signs, sizeof b.signs);
  for (int j = 0; j < 8; ++j)
    b.scales[j / 2] |= static_cast<uint8_t>((fields.sub_scales[j] >> 1 & 15) << j % 2 * 4);
  for (int g = 0; g < 64; ++g) {
    b.entries[g] = static_cast<uint8_t>(fields.indices[g]);
    b.high[g / 8] |= static_cast<uint8_t>((fields.indices[g] >> 8 & 1) << g % 8);
  }
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Iq3SBlock), f);
    const float d = F16ToF32(f.scale);
    float scales[16];
    for (int k = 0; k < 16; ++k) scales[k] = d * static_cast<float>(f.sub_scales[k / 2]);
    DequantiseEntries(f, kIq3SCodebook, scales, out + 256 * i);
  }
}

}  // namespace

const QuantTypeTraits kIq3STraits = {.type = QuantType::kIq3S,
                                     .name = "IQ3_S",
                                     .gguf_id = 21,
                                     .block_values = 256,
                                     .block_bytes = sizeof(Iq3SBlock),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
