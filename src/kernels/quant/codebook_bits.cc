#include <bit>

#include "kernels/quant/codebooks.h"

namespace infe::kernels {
namespace {

template <class Word>
void Dequantise(const BlockFields& fields, const Word* codebook, const float* scales, float* out) {
  constexpr uint32_t kLength = sizeof(Word);
  for (uint32_t i = 0; i < 256; ++i) {
    const Word entry = codebook[fields.indices[i / kLength]];
    const auto magnitude = static_cast<int>(entry >> (i % kLength * 8) & 0xff);
    const bool negative = (fields.signs[i / 8] >> i % 8 & 1) != 0;
    out[i] = scales[i / 16] * static_cast<float>(negative ? -magnitude : magnitude);
  }
}

}  // namespace

uint8_t EvenSigns(uint32_t seven) {
  const uint32_t odd = static_cast<uint32_t>(std::popcount(seven & 127)) & 1;
  return static_cast<uint8_t>((seven & 127) | odd << 7);
}

void DequantiseEntries(const BlockFields& fields, const uint64_t* codebook, const float* scales,
                       float* out) {
  Dequantise(fields, codebook, scales, out);
}
void DequantiseEntries(const BlockFields& fields, const uint32_t* codebook, const float* scales,
                       float* out) {
  Dequantise(fields, codebook, scales, out);
}

}  // namespace infe::kernels
