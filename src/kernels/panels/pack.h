// Packs GGUF matrices into panels (layout.h) and takes rows out of them again. Baseline code, used
// by the tables of AVX2 (8 lanes) and AVX-512 (16 lanes).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed_matrix.h"

namespace infe::kernels::panels {

size_t PackedBytes(QuantType type, uint32_t rows, uint32_t cols);

template <uint32_t kLanes>
void Pack(QuantType type, uint32_t rows, uint32_t cols, const std::byte* source,
          const uint32_t* row_order, uint32_t stripe_begin, uint32_t stripe_end, std::byte* packed);

// The GGUF blocks of one row again, byte for byte.
template <uint32_t kLanes>
void UnpackBlocks(const PackedMatrix& matrix, uint32_t row, std::byte* blocks);
template <uint32_t kLanes>
void UnpackRow(const PackedMatrix& matrix, uint32_t row, float* out);

}  // namespace infe::kernels::panels
