#include "kernels/quant/q8_0.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q8_0Block Load(const std::byte* block) {
  Q8_0Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q8_0Block b = Load(block);
  fields.scale = b.d;
  for (int i = 0; i < 32; ++i) fields.codes[i] = static_cast<uint8_t>(b.qs[i]);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q8_0Block b;
  b.d = fields.scale;
  for (int i = 0; i < 32; ++i) b.qs[i] = static_cast<int8_t>(fields.codes[i]);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 32; ++i) {
    const Q8_0Block b = Load(blocks + i * sizeof(Q8_0Block));
    const float d = F16ToF32(b.d);
    for (int i = 0; i < 32; ++i) *out++ = d * static_cast<float>(b.qs[i]);
  }
}

}  // namespace

const QuantTypeTraits kQ8_0Traits = {.type = QuantType::kQ8_0,
                                     .name = "Q8_0",
                                     .gguf_id = 8,
                                     .block_values = 32,
                                     .block_bytes = sizeof(Q8_0Block),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
