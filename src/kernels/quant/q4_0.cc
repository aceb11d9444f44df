#include "kernels/quant/q4_0.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q4_0Block Load(const std::byte* block) {
  Q4_0Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q4_0Block b = Load(block);
  fields.scale = b.d;
  DecodeNibbles(b.qs, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q4_0Block b;
  b.d = fields.scale;
  EncodeNibbles(fields.codes, b.qs);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 32; ++i) {
    const Q4_0Block b = Load(blocks + i * sizeof(Q4_0Block));
    const float d = F16ToF32(b.d);
    for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((b.qs[i] & 15) - 8);
    for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>((b.qs[i] >> 4) - 8);
    out += 32;
  }
}

}  // namespace

const QuantTypeTraits kQ4_0Traits = {.type = QuantType::kQ4_0,
                                     .name = "Q4_0",
                                     .gguf_id = 2,
                                     .block_values = 32,
                                     .block_bytes = sizeof(Q4_0Block),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
