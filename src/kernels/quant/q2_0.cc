#include "kernels/quant/q2_0.h"

#include <cstring>

#include "kernels/half.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q2_0Block Load(const std::byte* block) {
  Q2_0Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q2_0Block b = Load(block);
  fields.scale = b.d;
  for (int i = 0; i < 64; ++i) fields.codes[i] = b.qs[i / 4] >> i % 4 * 2 & 3;
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q2_0Block b = {};
  b.d = fields.scale;
  for (int i = 0; i < 64; ++i)
    b.qs[i / 4] |= static_cast<uint8_t>((fields.codes[i] & 3) << i % 4 * 2);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 64; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(Q2_0Block), f);
    const float d = F16ToF32(f.scale);
    for (int j = 0; j < 64; ++j) *out++ = d * static_cast<float>(f.codes[j] - 1);
  }
}

}  // namespace

const QuantTypeTraits kQ2_0Traits = {.type = QuantType::kQ2_0,
                                     .name = "Q2_0",
                                     .gguf_id = 42,
                                     .block_values = 64,
                                     .block_bytes = sizeof(Q2_0Block),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
