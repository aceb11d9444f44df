#include "kernels/quant/q2_k.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q2_KBlock Load(const std::byte* block) {
  Q2_KBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q2_KBlock b = Load(block);
  fields.scale = b.d;
  fields.min = b.dmin;
  std::memcpy(fields.sub_scales, b.scales, sizeof b.scales);
  DecodeBitPairs(b.qs, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q2_KBlock b = {};
  b.d = fields.scale;
  b.dmin = fields.min;
  std::memcpy(b.scales, fields.sub_scales, sizeof b.scales);
  EncodeBitPairs(fields.codes, b.qs);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Q2_KBlock), f);
    const float d = F16ToF32(f.scale);
    const float dmin = F16ToF32(f.min);
    for (int j = 0; j < 256; ++j) {
      const float scale = d * static_cast<float>(f.sub_scales[j / 16] & 15);
      const float min = dmin * static_cast<float>(f.sub_scales[j / 16] >> 4);
      *out++ = scale * static_cast<float>(f.codes[j]) - min;
    }
  }
}

}  // namespace

const QuantTypeTraits kQ2_KTraits = {.type = QuantType::kQ2_K,
                                     .name = "Q2_K",
                                     .gguf_id = 10,
                                     .block_values = 256,
                                     .block_bytes = sizeof(Q2_KBlock),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 5};

}  // namespace infe::kernels
