#include "kernels/quant/iq2_xxs.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/codebooks.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Iq2XxsBlock Load(const std::byte* block) {
  Iq2XxsBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Iq2XxsBlock b = Load(block);
  fields.scale = b.d;
  for (int j = 0; j < 8; ++j) {
    uint32_t word;
    std::memcpy(&word, b.sub[j].word, sizeof word);
    fields.sub_scales[j] = static_cast<uint8_t>(word >> 28);
    for (int g = 0; g < 4; ++g) {
      fields.indices[4 * j + g] = b.sub[j].entries[g];
      fields.signs[4 * j + g] = EvenSigns(word >> 7 * g);
    }
  }
}

void Encode(const BlockFields& fields, std::byte* block) {
  Iq2XxsBlock b = {};
  b.d = fields.scale;
  for (int j = 0; j < 8; ++j) {
    uint32_t word = static_cast<uint32_t>(fields.sub_scales[j]) << 28;
    for (int g = 0; g < 4; ++g) {
      b.sub[j].entries[g] = static_cast<uint8_t>(fields.indices[4 * j + g]);
      word |= (fields.signs[4 * j + g] & 127u) << 7 * g;
    }
    std::memcpy(b.sub[j].word, &word, sizeof word);
  }
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Iq2XxsBlock), f);
    const float d = F16ToF32(f.scale);
    float scales[16];
    for (int k = 0; k < 16; ++k)
      scales[k] = d * static_cast<float>(2 * f.sub_scales[k / 2] + 1) * 0.125f;
    DequantiseEntries(f, kIq2XxsCodebook, scales, out + 256 * i);
  }
}

}  // namespace

const QuantTypeTraits kIq2XxsTraits = {.type = QuantType::kIq2Xxs,
                                       .name = "IQ2_XXS",
                                       .gguf_id = 16,
                                       .block_values = 256,
                                       .block_bytes = sizeof(Iq2XxsBlock),
                                       .dequantise = Dequantise,
                                       .decode = Decode,
                                       .encode = Encode,
                                       .roundings_per_32 = 2};

}  // namespace infe::kernels
