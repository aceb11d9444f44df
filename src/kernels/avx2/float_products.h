// Products with F32, F16 and BF16 weights: one f32 sum per output, columns in ascending order.
// Included by avx2/*.cc only.
#pragma once

#include <cstddef>

#include "kernels/activations.h"
#include "kernels/avx2/panel_codes.h"
#include "kernels/packed_matrix.h"

namespace infe::kernels::avx2 {
namespace {

struct F32 {
  static constexpr uint32_t kBytes = 4;
  static inline __m256 Load8(const uint8_t* p) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
};
struct F16 {
  static constexpr uint32_t kBytes = 2;
  static inline __m256 Load8(const uint8_t* p) { return HalfToFloat(p); }
};
struct BF16 {
  static constexpr uint32_t kBytes = 2;
  static inline __m256 Load8(const uint8_t* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
};

// out[t][8 * panels] for `rows` activation rows, `panels` panels of a stripe from `first` on.
template <class Type, int rows, int panels>
void FloatTile(const uint8_t* stripe, uint32_t first, const float* x, uint32_t cols, float* out,
               size_t out_stride) {
  __m256 acc[rows][panels];
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t)
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) acc[t][p] = _mm256_setzero_ps();
  const uint8_t* w = stripe + first * kLanes * Type::kBytes;
  for (uint32_t k = 0; k < cols; ++k, w += kPanelStripeRows * Type::kBytes) {
    _mm_prefetch(reinterpret_cast<const char*>(w + 2048), _MM_HINT_T0);
    __m256 weights[panels];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) weights[p] = Type::Load8(w + p * kLanes * Type::kBytes);
#pragma GCC unroll 6
    for (int t = 0; t < rows; ++t) {
      const __m256 v = _mm256_broadcast_ss(x + size_t{cols} * t + k);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) acc[t][p] = _mm256_fmadd_ps(weights[p], v, acc[t][p]);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < rows; ++t)
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) _mm256_storeu_ps(out + t * out_stride + kLanes * p, acc[t][p]);
}

template <class Type>
void FloatTileOf(uint32_t rows, const uint8_t* stripe, uint32_t first, const float* x,
                 uint32_t cols, float* out, size_t out_stride) {
  switch (rows) {
    case 1:
      return FloatTile<Type, 1, 2>(stripe, first, x, cols, out, out_stride);
    case 2:
      return FloatTile<Type, 2, 2>(stripe, first, x, cols, out, out_stride);
    case 3:
      return FloatTile<Type, 3, 2>(stripe, first, x, cols, out, out_stride);
    case 4:
      return FloatTile<Type, 4, 2>(stripe, first, x, cols, out, out_stride);
    case 5:
      return FloatTile<Type, 5, 2>(stripe, first, x, cols, out, out_stride);
    case 6:
      return FloatTile<Type, 6, 2>(stripe, first, x, cols, out, out_stride);
  }
}

template <class Type>
void MatmulFloat(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
                 uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  const size_t stripe_bytes = size_t{w.cols} * kPanelStripeRows * Type::kBytes;
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  const uint32_t rows = row_end - row_begin;
  const uint32_t tiles = (rows + 5) / 6;
  for (uint32_t s = stripe_begin; s < stripe_end; ++s, out += kPanelStripeRows) {
    const uint8_t* stripe = data + s * stripe_bytes;
    if (rows == 1) {
      FloatTile<Type, 1, 4>(stripe, 0, x.f32 + size_t{row_begin} * x.cols, w.cols, out, out_stride);
      continue;
    }
    uint32_t m = 0;
    for (uint32_t tile = 0; tile < tiles; ++tile) {
      const uint32_t end = rows * (tile + 1) / tiles;
      const float* in = x.f32 + size_t{row_begin + m} * x.cols;
      for (uint32_t pair = 0; pair < 2; ++pair)
        FloatTileOf<Type>(end - m, stripe, 2 * pair, in, w.cols, out + m * out_stride + 16 * pair,
                          out_stride);
      m = end;
    }
  }
}

template <class Type>
void MatvecFloat(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                 uint32_t count, float* out) {
  const size_t stripe_bytes = size_t{w.cols} * kPanelStripeRows * Type::kBytes;
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  for (uint32_t i = 0; i < count; ++i) {
    float panel[kLanes];
    FloatTile<Type, 1, 1>(data + rows[i] / kPanelStripeRows * stripe_bytes,
                          rows[i] / kLanes % kPanels, x.f32 + size_t{m} * x.cols, w.cols, panel,
                          kLanes);
    out[i] = panel[rows[i] % kLanes];
  }
}

}  // namespace
}  // namespace infe::kernels::avx2
