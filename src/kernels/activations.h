// The left side of a matrix product: M rows of K values, quantised once for every weight type.
// Per row and per 32 values: s8 with an f32 scale, and the sums of the integers (per 32 and per
// 16). Float weight types read the f32 rows instead. Buffers belong to the caller and are reused
// from layer to layer; K is padded with zeros to a multiple of 32 (256 for k-quants never needs
// more: their K is a multiple of 256).
#pragma once

#include <cstddef>
#include <cstdint>

namespace infe::kernels {

struct Activations {
  uint32_t rows = 0;  // M
  uint32_t cols = 0;  // K
  // s8 [rows][cols]; row r starts at r * cols.
  int8_t* values = nullptr;
  // f32 [rows][cols / 32]: value = values * scale.
  float* scales = nullptr;
  // i16 [rows][cols / 16]: sums of 16 integers (two make the sum of a block of 32).
  int16_t* sums = nullptr;
  // f32 [rows][cols], the unquantised row, for F32, F16 and BF16 weights; may be null when no
  // weight that reads these activations is of a float type.
  const float* f32 = nullptr;
};

}  // namespace infe::kernels
