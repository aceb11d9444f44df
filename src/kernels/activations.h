// The left side of a matrix product: M rows of K values, quantised once for every weight type.
// Per row and per 32 values: s8 with an f32 scale, and sums of the integers in the forms that the
// kernels consume. Float weight types read the f32 rows instead. K is a multiple of 32. Buffers
// belong to the caller and are reused from layer to layer: take ActivationsBytes() once for the
// largest rows x cols and lay MakeActivations() over it for each product.
#pragma once

#include <cstddef>
#include <cstdint>

namespace infe::kernels {

inline constexpr uint32_t kActivationBlock = 32;
// Rows whose scales and sums lie together once more.
inline constexpr uint32_t kActivationGroup = 16;

struct Activations {
  uint32_t rows = 0;  // M
  uint32_t cols = 0;  // K, a multiple of kActivationBlock
  // s8 [rows][cols], in -127..127; row r starts at r * cols.
  int8_t* values = nullptr;
  // f32 [rows][cols / 32]: value = values * scale. A block whose largest magnitude is below 1e-30
  // has scale 0 and integers 0.
  float* scales = nullptr;
  // f32 [rows][cols / 32]: scale times the sum of the block's 32 integers, one rounding.
  float* sums = nullptr;
  // i16 [rows][cols / 32][8]: negated sums of the block's integers x[0..31], split as a vector of
  // 16-bit pair products is: "even" takes x[k] with k % 4 < 2, "odd" the others.
  //   {even, odd} of x[0..31], {even, odd} of x[0..15], {even, odd} of x[16..31], 0, 0
  // The kernels remove constant offsets of the weights (Q5_0's 16, ...) with them, exactly.
  int16_t* pair_sums = nullptr;
  // f32 [rows / 16, rounded up][cols / 32][2][16]: scales, then sums, of a group of 16 rows. For
  // kernels that take 16 rows at a time. Rows that are missing from the last group are not written.
  float* grouped = nullptr;
  // f32 [rows][cols], the unquantised row, for F32, F16 and BF16 weights; may be null when no
  // weight that reads these activations is of a float type.
  const float* f32 = nullptr;
};

// Writes the scale and the sum of one block, where all forms have them. block: column / 32. Static:
// each ISA's files have a copy of their own.
static inline void SetScale(const Activations& x, uint32_t row, uint32_t block, float scale,
                            float sum) {
  const size_t blocks = x.cols / kActivationBlock;
  x.scales[row * blocks + block] = scale;
  x.sums[row * blocks + block] = sum;
  float* group = x.grouped + (row / kActivationGroup * blocks + block) * 2 * kActivationGroup;
  group[row % kActivationGroup] = scale;
  group[kActivationGroup + row % kActivationGroup] = sum;
}

// Bytes of the five buffers for rows x cols.
size_t ActivationsBytes(uint32_t rows, uint32_t cols);
// Lays the buffers over `memory`: ActivationsBytes(rows, cols) bytes, 64-byte aligned.
Activations MakeActivations(std::byte* memory, uint32_t rows, uint32_t cols, const float* f32);

}  // namespace infe::kernels
