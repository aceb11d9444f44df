#include "kernels/quant/tq2_0.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
TQ2_0Block Load(const std::byte* block) {
  TQ2_0Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const TQ2_0Block b = Load(block);
  fields.scale = b.d;
  DecodeBitPairs(b.qs, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  TQ2_0Block b = {};
  b.d = fields.scale;
  EncodeBitPairs(fields.codes, b.qs);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(TQ2_0Block), f);
    const float d = F16ToF32(f.scale);
    for (int j = 0; j < 256; ++j) *out++ = d * static_cast<float>(f.codes[j] - 1);
  }
}

}  // namespace

const QuantTypeTraits kTQ2_0Traits = {.type = QuantType::kTQ2_0,
                                      .name = "TQ2_0",
                                      .gguf_id = 35,
                                      .block_values = 256,
                                      .block_bytes = sizeof(TQ2_0Block),
                                      .dequantise = Dequantise,
                                      .decode = Decode,
                                      .encode = Encode,
                                      .roundings_per_32 = 2};

}  // namespace infe::kernels
