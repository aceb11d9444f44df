#include "kernels/quant/iq4_xs.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/panels/layout.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Iq4XsBlock Load(const std::byte* block) {
  Iq4XsBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Iq4XsBlock b = Load(block);
  fields.scale = b.d;
  for (int g = 0; g < 8; ++g) {
    const int low = b.low[g / 2] >> (g % 2 * 4) & 15;
    const int high = b.high >> (2 * g) & 3;
    fields.sub_scales[g] = static_cast<uint8_t>((low | high << 4) - 32);
    DecodeNibbles(b.qs + 16 * g, fields.codes + 32 * g);
  }
}

void Encode(const BlockFields& fields, std::byte* block) {
  Iq4XsBlock b = {};
  b.d = fields.scale;
  for (int g = 0; g < 8; ++g) {
    const int scale = (fields.sub_scales[g] + 32) & 63;
    b.low[g / 2] |= static_cast<uint8_t>((scale & 15) << (g % 2 * 4));
    b.high |= static_cast<uint16_t>((scale >> 4) << (2 * g));
    EncodeNibbles(fields.codes + 32 * g, b.qs + 16 * g);
  }
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Iq4XsBlock), f);
    const float d = F16ToF32(f.scale);
    for (int j = 0; j < 256; ++j) {
      const float scale = d * static_cast<float>(static_cast<int8_t>(f.sub_scales[j / 32]));
      *out++ = scale * static_cast<float>(kCurveTable[f.codes[j]]);
    }
  }
}

}  // namespace

const QuantTypeTraits kIq4XsTraits = {.type = QuantType::kIq4Xs,
                                      .name = "IQ4_XS",
                                      .gguf_id = 23,
                                      .block_values = 256,
                                      .block_bytes = sizeof(Iq4XsBlock),
                                      .dequantise = Dequantise,
                                      .decode = Decode,
                                      .encode = Encode,
                                      .roundings_per_32 = 4};

}  // namespace infe::kernels
