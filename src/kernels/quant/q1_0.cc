#include "kernels/quant/q1_0.h"

#include <cstring>

#include "kernels/half.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q1_0Block Load(const std::byte* block) {
  Q1_0Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q1_0Block b = Load(block);
  fields.scale = b.d;
  for (int i = 0; i < 128; ++i) fields.codes[i] = b.qs[i / 8] >> i % 8 & 1;
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q1_0Block b = {};
  b.d = fields.scale;
  for (int i = 0; i < 128; ++i) b.qs[i / 8] |= static_cast<uint8_t>((fields.codes[i] & 1) << i % 8);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 128; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Q1_0Block), f);
    const float d = F16ToF32(f.scale);
    for (int j = 0; j < 128; ++j) *out++ = d * static_cast<float>(2 * f.codes[j] - 1);
  }
}

}  // namespace

const QuantTypeTraits kQ1_0Traits = {.type = QuantType::kQ1_0,
                                     .name = "Q1_0",
                                     .gguf_id = 41,
                                     .block_values = 128,
                                     .block_bytes = sizeof(Q1_0Block),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
