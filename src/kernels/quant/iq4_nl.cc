#include "kernels/quant/iq4_nl.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/panels/layout.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Iq4NlBlock Load(const std::byte* block) {
  Iq4NlBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Iq4NlBlock b = Load(block);
  fields.scale = b.d;
  DecodeNibbles(b.qs, fields.codes);
}

void Encode(const BlockFields& fields, std::byte* block) {
  Iq4NlBlock b;
  b.d = fields.scale;
  EncodeNibbles(fields.codes, b.qs);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 32; ++i) {
    const Iq4NlBlock b = Load(blocks + i * sizeof(Iq4NlBlock));
    const float d = F16ToF32(b.d);
    uint8_t codes[32];
    DecodeNibbles(b.qs, codes);
    for (const uint8_t code : codes) *out++ = d * static_cast<float>(kCurveTable[code]);
  }
}

}  // namespace

const QuantTypeTraits kIq4NlTraits = {.type = QuantType::kIq4Nl,
                                      .name = "IQ4_NL",
                                      .gguf_id = 20,
                                      .block_values = 32,
                                      .block_bytes = sizeof(Iq4NlBlock),
                                      .dequantise = Dequantise,
                                      .decode = Decode,
                                      .encode = Encode,
                                      .roundings_per_32 = 2};

}  // namespace infe::kernels
