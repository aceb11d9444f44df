#include "kernels/quant/bf16.h"

#include <cstring>

#include "kernels/half.h"

namespace infe::kernels {
namespace {

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  for (size_t i = 0; i < values; ++i) {
    uint16_t bits;
    std::memcpy(&bits, blocks + 2 * i, sizeof bits);
    out[i] = Bf16ToF32(bits);
  }
}

}  // namespace

const QuantTypeTraits kBF16Traits = {.type = QuantType::kBF16,
                                     .name = "BF16",
                                     .gguf_id = 30,
                                     .block_values = 1,
                                     .block_bytes = 2,
                                     .dequantise = Dequantise,
                                     .decode = nullptr,
                                     .encode = nullptr,
                                     .roundings_per_32 = 32};

}  // namespace infe::kernels
