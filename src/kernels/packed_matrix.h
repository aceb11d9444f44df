// A weight matrix [rows, cols] repacked for one ISA: stripes of 32 output rows, each stripe one
// linear stream, so that a vector lane is an output row and no horizontal sums are needed
// (docs/kernels.md). Rows are padded to a stripe; the GGUF integers and scales are kept bit for
// bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant_type.h"

namespace infe::kernels {

inline constexpr uint32_t kStripeRows = 32;

struct PackedMatrix {
  QuantType type = QuantType::kF32;
  uint32_t rows = 0;                // output features, unpadded
  uint32_t cols = 0;                // input features (K); a multiple of the type's block
  const std::byte* data = nullptr;  // owned by the model's weight arena
  uint32_t stripes() const { return (rows + kStripeRows - 1) / kStripeRows; }
};

}  // namespace infe::kernels
