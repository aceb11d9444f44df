#include "kernels/quant/q5_0.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q5_0Block Load(const std::byte* block) {
  Q5_0Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q5_0Block b = Load(block);
  fields.scale = b.d;
  DecodeNibbles(b.qs, fields.codes);
  AddBitPlane(b.qh, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q5_0Block b;
  b.d = fields.scale;
  EncodeNibbles(fields.codes, b.qs);
  EncodeBitPlane(fields.codes, b.qh);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 32; ++i) {
    const Q5_0Block b = Load(blocks + i * sizeof(Q5_0Block));
    const float d = F16ToF32(b.d);
    uint8_t codes[32];
    DecodeNibbles(b.qs, codes);
    AddBitPlane(b.qh, codes);
    for (int i = 0; i < 32; ++i) *out++ = d * static_cast<float>(codes[i] - 16);
  }
}

}  // namespace

const QuantTypeTraits kQ5_0Traits = {.type = QuantType::kQ5_0,
                                     .name = "Q5_0",
                                     .gguf_id = 6,
                                     .block_values = 32,
                                     .block_bytes = sizeof(Q5_0Block),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 2};

}  // namespace infe::kernels
