#include "kernels/quant/iq2_xs.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/codebooks.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Iq2XsBlock Load(const std::byte* block) {
  Iq2XsBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Iq2XsBlock b = Load(block);
  fields.scale = b.d;
  std::memcpy(fields.sub_scales, b.scales, sizeof b.scales);
  for (int g = 0; g < 32; ++g) {
    fields.indices[g] = b.codes[g] & 511;
    fields.signs[g] = EvenSigns(b.codes[g] >> 9);
  }
}

void Encode(const BlockFields& fields, std::byte* block) {
  Iq2XsBlock b = {};
  b.d = fields.scale;
  std::memcpy(b.scales, fields.sub_scales, sizeof b.scales);
  for (int g = 0; g < 32; ++g)
    b.codes[g] = static_cast<uint16_t>(fields.indices[g] | (fields.signs[g] & 127) << 9);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Iq2XsBlock), f);
    const float d = F16ToF32(f.scale);
    float scales[16];
    for (int k = 0; k < 16; ++k)
      scales[k] = d * static_cast<float>(2 * (f.sub_scales[k / 2] >> k % 2 * 4 & 15) + 1) * 0.125f;
    DequantiseEntries(f, kIq2XsCodebook, scales, out + 256 * i);
  }
}

}  // namespace

const QuantTypeTraits kIq2XsTraits = {.type = QuantType::kIq2Xs,
                                      .name = "IQ2_XS",
                                      .gguf_id = 17,
                                      .block_values = 256,
                                      .block_bytes = sizeof(Iq2XsBlock),
                                      .dequantise = Dequantise,
                                      .decode = Decode,
                                      .encode = Encode,
                                      .roundings_per_32 = 2};

}  // namespace infe::kernels
