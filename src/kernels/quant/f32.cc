#include "kernels/quant/f32.h"

#include <cstring>

namespace infe::kernels {
namespace {

void Dequantise(const std::byte* blocks, float* out, size_t values) {
  std::memcpy(out, blocks, values * sizeof(float));
}

}  // namespace

const QuantTypeTraits kF32Traits = {.type = QuantType::kF32,
                                    .name = "F32",
                                    .gguf_id = 0,
                                    .block_values = 1,
                                    .block_bytes = 4,
                                    .dequantise = Dequantise,
                                    .decode = nullptr,
                                    .encode = nullptr,
                                    .roundings_per_32 = 32};

}  // namespace infe::kernels
