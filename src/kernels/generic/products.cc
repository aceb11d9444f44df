#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/generic/generic.h"

namespace infe::kernels::generic {
namespace {

// x rounded to the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no room
// for a fraction, and the integer stands in the low mantissa bits. Defined for every input.
int32_t RoundToEven(float x) {
  constexpr float kMagic = 12582912.0f;
  const float shifted = x + kMagic;
  return static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kMagic));
}

// Row m of the activations as the weights of `type` see it.
double Value(const Activations& x, bool exact, uint32_t m, uint32_t k) {
  const size_t i = size_t{m} * x.cols + k;
  if (exact) return x.f32[i];
  return double{x.scales[i / kActivationBlock]} * x.values[i];
}

double Dot(const std::vector<float>& weights, const Activations& x, bool exact, uint32_t m) {
  double sum = 0;
  for (uint32_t k = 0; k < x.cols; ++k) sum += weights[k] * Value(x, exact, m, k);
  return sum;
}

}  // namespace

size_t PackedBytes(QuantType type, uint32_t rows, uint32_t cols) {
  const size_t padded_rows = (size_t{rows} + kStripeRows - 1) / kStripeRows * kStripeRows;
  return padded_rows * RowBytes(type, cols);
}

void Pack(QuantType type, uint32_t rows, uint32_t cols, const std::byte* source,
          const uint32_t* row_order, uint32_t stripe_begin, uint32_t stripe_end,
          std::byte* packed) {
  const size_t row_bytes = RowBytes(type, cols);
  for (uint32_t row = stripe_begin * kStripeRows; row < stripe_end * kStripeRows; ++row) {
    std::byte* out = packed + row * row_bytes;
    if (row < rows) {
      const size_t from = row_order != nullptr ? row_order[row] : row;
      std::memcpy(out, source + from * row_bytes, row_bytes);
    } else {
      std::memset(out, 0, row_bytes);
    }
  }
}

void UnpackRow(const PackedMatrix& matrix, uint32_t row, float* out) {
  const size_t row_bytes = RowBytes(matrix.type, matrix.cols);
  Traits(matrix.type).dequantise(matrix.data + row * row_bytes, out, matrix.cols);
}

void QuantiseRow(const float* x, uint32_t col_begin, uint32_t col_end, uint32_t row,
                 const Activations& out) {
  for (uint32_t k = col_begin; k < col_end; k += kActivationBlock) {
    float largest = 0;
    for (uint32_t i = 0; i < kActivationBlock; ++i)
      largest = std::max(largest, std::fabs(x[k + i]));
    const bool zero = !(largest >= 1e-30f);
    const float scale = zero ? 0.0f : largest / 127.0f;
    const float inverse = zero ? 0.0f : 127.0f / largest;
    const size_t at = size_t{row} * out.cols + k;
    int sum = 0;
    int pair_sums[4] = {};  // [half][odd]
    for (uint32_t i = 0; i < kActivationBlock; ++i) {
      const auto q = static_cast<int8_t>(zero ? 0 : RoundToEven(x[k + i] * inverse));
      out.values[at + i] = q;
      sum += q;
      pair_sums[i / 16 * 2 + (i % 4) / 2] += q;
    }
    SetScale(out, row, k / kActivationBlock, scale, scale * static_cast<float>(sum));
    int16_t* sums = out.pair_sums + at / kActivationBlock * 8;
    for (int i = 0; i < 2; ++i) {
      sums[i] = static_cast<int16_t>(-(pair_sums[i] + pair_sums[2 + i]));
      sums[2 + i] = static_cast<int16_t>(-pair_sums[i]);
      sums[4 + i] = static_cast<int16_t>(-pair_sums[2 + i]);
      sums[6 + i] = 0;
    }
  }
}

void Matmul(const PackedMatrix& matrix, const Activations& x, uint32_t row_begin, uint32_t row_end,
            uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  std::vector<float> weights(matrix.cols);
  const bool exact = IsFloat(matrix.type);
  const uint32_t first = stripe_begin * kStripeRows;
  for (uint32_t n = first; n < stripe_end * kStripeRows; ++n) {
    UnpackRow(matrix, n, weights.data());
    for (uint32_t m = row_begin; m < row_end; ++m)
      out[(m - row_begin) * out_stride + (n - first)] =
          static_cast<float>(Dot(weights, x, exact, m));
  }
}

void MatvecRows(const PackedMatrix& matrix, const Activations& x, uint32_t m, const uint32_t* rows,
                uint32_t count, float* out) {
  std::vector<float> weights(matrix.cols);
  for (uint32_t i = 0; i < count; ++i) {
    UnpackRow(matrix, rows[i], weights.data());
    out[i] = static_cast<float>(Dot(weights, x, IsFloat(matrix.type), m));
  }
}

}  // namespace infe::kernels::generic
