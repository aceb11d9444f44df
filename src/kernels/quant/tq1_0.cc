#include "kernels/quant/tq1_0.h"

#include <cstring>

#include "kernels/half.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
TQ1_0Block Load(const std::byte* block) {
  TQ1_0Block b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

// Value n of `count` bytes is digit n / count of byte n % count.
void DecodeDigits(const uint8_t* bytes, int count, int digits, uint8_t* codes) {
  for (int i = 0; i < count; ++i) {
    uint32_t fraction = bytes[i];
    for (int n = 0; n < digits; ++n) {
      codes[n * count + i] = static_cast<uint8_t>(fraction * 3 >> 8);
      fraction = fraction * 3 & 255;
    }
  }
}
// The least byte with these digits; a byte that is not the least is not met in files.
void EncodeDigits(const uint8_t* codes, int count, int digits, uint8_t* bytes) {
  for (int i = 0; i < count; ++i) {
    uint32_t number = 0;
    for (int n = 0; n < 5; ++n) number = number * 3 + (n < digits ? codes[n * count + i] : 0u);
    bytes[i] = static_cast<uint8_t>((number * 256 + 242) / 243);
  }
}

void Decode(const std::byte* block, BlockFields& fields) {
  const TQ1_0Block b = Load(block);
  fields.scale = b.d;
  DecodeDigits(b.qs, 32, 5, fields.codes);
  DecodeDigits(b.qs + 32, 16, 5, fields.codes + 160);
  DecodeDigits(b.qh, 4, 4, fields.codes + 240);
}

void Encode(const BlockFields& fields, std::byte* block) {
  TQ1_0Block b = {};
  b.d = fields.scale;
  EncodeDigits(fields.codes, 32, 5, b.qs);
  EncodeDigits(fields.codes + 160, 16, 5, b.qs + 32);
  EncodeDigits(fields.codes + 240, 4, 4, b.qh);
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    BlockFields f;
    Decode(blocks + i * sizeof(TQ1_0Block), f);
    const float d = F16ToF32(f.scale);
    for (int j = 0; j < 256; ++j) *out++ = d * static_cast<float>(f.codes[j] - 1);
  }
}

}  // namespace

const QuantTypeTraits kTQ1_0Traits = {.type = QuantType::kTQ1_0,
                                      .name = "TQ1_0",
                                      .gguf_id = 34,
                                      .block_values = 256,
                                      .block_bytes = sizeof(TQ1_0Block),
                                      .dequantise = Dequantise,
                                      .decode = Decode,
                                      .encode = Encode,
                                      .roundings_per_32 = 2};

}  // namespace infe::kernels
