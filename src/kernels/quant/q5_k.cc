#include "kernels/quant/q5_k.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q5_KBlock Load(const std::byte* block) {
  Q5_KBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q5_KBlock b = Load(block);
  fields.scale = b.d;
  fields.min = b.dmin;
  DecodeSubScales(b.scales, fields);
  DecodeSuperNibbles(b.qs, fields.codes);
  for (int i = 0; i < 256; ++i)
    fields.codes[i] |= static_cast<uint8_t>(((b.qh[i % 32] >> (i / 32)) & 1) << 4);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q5_KBlock b;
  b.d = fields.scale;
  b.dmin = fields.min;
  EncodeSubScales(fields, b.scales);
  EncodeSuperNibbles(fields.codes, b.qs);
  for (uint8_t& byte : b.qh) byte = 0;
  for (int i = 0; i < 256; ++i)
    b.qh[i % 32] |= static_cast<uint8_t>((fields.codes[i] >> 4 & 1) << (i / 32));
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    const Q5_KBlock b = Load(blocks + i * sizeof(Q5_KBlock));
    BlockFields f;
    Decode(reinterpret_cast<const std::byte*>(&b), f);
    DequantiseSubBlocks(f, out);
    out += 256;
  }
}

}  // namespace

const QuantTypeTraits kQ5_KTraits = {.type = QuantType::kQ5_K,
                                     .name = "Q5_K",
                                     .gguf_id = 13,
                                     .block_values = 256,
                                     .block_bytes = sizeof(Q5_KBlock),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 6};

}  // namespace infe::kernels
