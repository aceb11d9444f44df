#include "kernels/quant/iq3_xxs.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/codebooks.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Iq3XxsBlock Load(const std::byte* block) {
  Iq3XxsBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Iq3XxsBlock b = Load(block);
  fields.scale = b.d;
  for (int g = 0; g < 64; ++g) fields.indices[g] = b.entries[g];
  for (int j = 0; j < 8; ++j) {
    uint32_t word;
    std::memcpy(&word, b.words[j], sizeof word);
    fields.sub_scales[j] = static_cast<uint8_t>(word >> 28);
    for (int g = 0; g < 4; ++g) fields.signs[4 * j + g] = EvenSigns(word >> 7 * g);
  }
}

void Encode(const BlockFields& fields, std::byte* block) {
  Iq3XxsBlock b = {};
  b.d = fields.scale;
  for (int g = 0; g < 64; ++g) b.entries[g] = static_cast<uint8_t>(fields.indices[g]);
  for (int j = 0; j < 8; ++j) {
    uint32_t word = static_cast<uint32_t>(fields.sub_scales[j]) << 28;
    for (int g = 0; g < 4; ++g) word |= (fields.signs[4 * j + g] & 127u) << 7 * g;
    std::memcpy(b.words[j], &word, sizeof word);
  }
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Iq3XxsBlock), f);
    const float d = F16ToF32(f.scale);
    float scales[16];
    for (int k = 0; k < 16; ++k)
      scales[k] = d * static_cast<float>(2 * f.sub_scales[k / 2] + 1) * 0.25f;
    DequantiseEntries(f, kIq3XxsCodebook, scales, out + 256 * i);
  }
}

}  // namespace

const QuantTypeTraits kIq3XxsTraits = {.type = QuantType::kIq3Xxs,
                                       .name = "IQ3_XXS",
                                       .gguf_id = 18,
                                       .block_values = 256,
                                       .block_bytes = sizeof(Iq3XxsBlock),
                                       .dequantise = Dequantise,
                                       .decode = Decode,
                                       .encode = Encode,
                                       .roundings_per_32 = 2};

}  // namespace infe::kernels
