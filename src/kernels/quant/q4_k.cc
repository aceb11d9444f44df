#include "kernels/quant/q4_k.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q4_KBlock Load(const std::byte* block) {
  Q4_KBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q4_KBlock b = Load(block);
  fields.scale = b.d;
  fields.min = b.dmin;
  DecodeSubScales(b.scales, fields);
  DecodeSuperNibbles(b.qs, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q4_KBlock b;
  b.d = fields.scale;
  b.dmin = fields.min;
  EncodeSubScales(fields, b.scales);
  EncodeSuperNibbles(fields.codes, b.qs);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    const Q4_KBlock b = Load(blocks + i * sizeof(Q4_KBlock));
    BlockFields f;
    Decode(reinterpret_cast<const std::byte*>(&b), f);
    DequantiseSubBlocks(f, out);
    out += 256;
  }
}

}  // namespace

const QuantTypeTraits kQ4_KTraits = {.type = QuantType::kQ4_K,
                                     .name = "Q4_K",
                                     .gguf_id = 12,
                                     .block_values = 256,
                                     .block_bytes = sizeof(Q4_KBlock),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 6};

}  // namespace infe::kernels
