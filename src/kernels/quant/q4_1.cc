#include "kernels/quant/q4_1.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q4_1Block Load(const std::byte* block) {
  Q4_1Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q4_1Block b = Load(block);
  fields.scale = b.d;
  fields.min = b.m;
  DecodeNibbles(b.qs, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q4_1Block b;
  b.d = fields.scale;
  b.m = fields.min;
  EncodeNibbles(fields.codes, b.qs);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 32; ++i) {
    const Q4_1Block b = Load(blocks + i * sizeof(Q4_1Block));
    const float d = F16ToF32(b.d);
    const float m = F16ToF32(b.m);
    for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(b.qs[i] & 15) + m;
    for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>(b.qs[i] >> 4) + m;
    out += 32;
  }
}

}  // namespace

const QuantTypeTraits kQ4_1Traits = {.type = QuantType::kQ4_1,
                                     .name = "Q4_1",
                                     .gguf_id = 3,
                                     .block_values = 32,
                                     .block_bytes = sizeof(Q4_1Block),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 4};

}  // namespace infe::kernels
