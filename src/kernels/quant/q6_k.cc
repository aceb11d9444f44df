#include "kernels/quant/q6_k.h"

#include <cstring>

#include "kernels/half.h"
#include "kernels/quant/block_bits.h"

namespace infe::kernels {
namespace {

// GGUF data has no alignment that a block could rely on: blocks are copied out and in.
Q6_KBlock Load(const std::byte* block) {
  Q6_KBlock b;
  std::memcpy(&b, block, sizeof b);
  return b;
}

void Decode(const std::byte* block, BlockFields& fields) {
  const Q6_KBlock b = Load(block);
  fields.scale = b.d;
  for (int i = 0; i < 16; ++i) fields.sub_scales[i] = static_cast<uint8_t>(b.scales[i]);
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 128; ++j) {
      const int low = b.ql[64 * half + j % 64] >> (j / 64 * 4) & 15;
      const int high = b.qh[32 * half + j % 32] >> (j / 32 * 2) & 3;
      fields.codes[128 * half + j] = static_cast<uint8_t>(low | high << 4);
    }
  }
}

void Encode(const BlockFields& fields, std::byte* block) {
  Q6_KBlock b;
  b.d = fields.scale;
  for (int i = 0; i < 16; ++i) b.scales[i] = static_cast<int8_t>(fields.sub_scales[i]);
  for (uint8_t& byte : b.ql) byte = 0;
  for (uint8_t& byte : b.qh) byte = 0;
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int j = i % 128;
    b.ql[64 * half + j % 64] |= static_cast<uint8_t>((fields.codes[i] & 15) << (j / 64 * 4));
    b.qh[32 * half + j % 32] |= static_cast<uint8_t>((fields.codes[i] >> 4 & 3) << (j / 32 * 2));
  }
  std::memcpy(block, &b, sizeof b);
}

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values / 256; ++i) {
    const Q6_KBlock b = Load(blocks + i * sizeof(Q6_KBlock));
    BlockFields f;
    Decode(reinterpret_cast<const std::byte*>(&b), f);
    const float d = F16ToF32(b.d);
    for (int i = 0; i < 256; ++i) {
      const float scale = d * static_cast<float>(b.scales[i / 16]);
      *out++ = scale * static_cast<float>(f.codes[i] - 32);
    }
  }
}

}  // namespace

const QuantTypeTraits kQ6_KTraits = {.type = QuantType::kQ6_K,
                                     .name = "Q6_K",
                                     .gguf_id = 14,
                                     .block_values = 256,
                                     .block_bytes = sizeof(Q6_KBlock),
                                     .dequantise = Dequantise,
                                     .decode = Decode,
                                     .encode = Encode,
                                     .roundings_per_32 = 4};

}  // namespace infe::kernels
