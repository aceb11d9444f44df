#include "kernels/quant/q3_k.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q3_KBlock Load(const std::byte* block) {
  Q3_KBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q3_KBlock b = Load(block);
  fields.scale = b.d;
  for (int k = 0; k < 16; ++k) {
    const int low = b.scales[k % 8] >> (k / 8 * 4) & 15;
    const int high = b.scales[8 + k % 4] >> (k / 4 * 2) & 3;
    fields.sub_scales[k] = static_cast<uint8_t>((low | high << 4) - 32);
  }
  DecodeBitPairs(b.qs, fields.codes);
  for (int i = 0; i < 256; ++i)
    fields.codes[i] |= static_cast<uint8_t>((b.hmask[i % 32] >> (i / 32) & 1) << 2);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q3_KBlock b = {};
  b.d = fields.scale;
  for (int k = 0; k < 16; ++k) {
    const int scale = (fields.sub_scales[k] + 32) & 63;
    b.scales[k % 8] |= static_cast<uint8_t>((scale & 15) << (k / 8 * 4));
    b.scales[8 + k % 4] |= static_cast<uint8_t>((scale >> 4) << (k / 4 * 2));
  }
  EncodeBitPairs(fields.codes, b.qs);
  for (int i = 0; i < 256; ++i)
    b.hmask[i % 32] |= static_cast<uint8_t>((fields.codes[i] >> 2 & 1) << (i / 32));
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Q3_KBlock), f);
    const float d = F16ToF32(f.scale);
    for (int j = 0; j < 256; ++j) {
      const float scale = d * static_cast<float>(static_cast<int8_t>(f.sub_scales[j / 16]));
      *out++ = scale * static_cast<float>(f.codes[j] - 4);
    }
  }
}

}  // namespace

const QuantTypeTraits kQ3_KTraits = {.type = QuantType::kQ3_K,
                                     .name = "Q3_K",
                                     .gguf_id = 11,
                                     .block_values = 256,
                                     .block_bytes = sizeof(Q3_KBlock),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
