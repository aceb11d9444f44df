// How products are shared out. Every product of a matrix with activations in any part goes through
// Multiply or MultiplyRows, and is cut by ForTiles or, where a unit must not be cut, by the rows of
// RowsPerTile.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>

#include "kernels/table.h"
#include "model/parts/part.h"

namespace infe::model {

// Rows of one product call: many, because each call unpacks its weights (a tenth of the time at 128
// rows of 576 columns with AMX), as long as their s8 values, and nearly as much that AVX2 reads
// beside them, stay in a second-level cache of 512 KiB from stripe to stripe; and at least a few.
inline constexpr uint32_t kTileRowsMin = 128;
inline constexpr uint32_t kTileRowsMax = 256;
inline constexpr uint32_t kTileInputBytes = 192 * 1024;
// Floats of one product's output: 128 KiB, half of which is L1-resident on its way to the epilogue.
inline constexpr uint32_t kTileFloats = 32 * 1024;
// A thread takes this fraction (of its share) of the units that are left: long runs first, whose
// weights are one linear stream, and single units at the end, so that a thread whose time was
// stolen by a neighbour on the machine holds the others up by one unit at most. Polychronopoulos &
// Kuck 1987.
inline constexpr uint32_t kGuide = 2;

// Rows of a product call with `cols` outputs of `inputs` columns each. Whole groups, for kernels
// that take rows by the group.
inline uint32_t RowsPerTile(uint32_t rows, uint32_t cols, uint32_t inputs) {
  const uint32_t cached =
      kTileInputBytes / inputs / kernels::kActivationGroup * kernels::kActivationGroup;
  return std::max(
      1u, std::min({rows, std::clamp(cached, kTileRowsMin, kTileRowsMax), kTileFloats / cols}));
}

// Deals units [0, n) out to whoever is free, in runs that become shorter towards the end:
// body(begin, end).
template <typename Body>
void Share(const Lane& lane, uint32_t n, const Body& body) {
  const uint32_t threads = lane.worker.count();
  if (threads == 1) {
    body(0, n);
    return;
  }
  std::atomic<uint32_t>& next = lane.cursor->next;
  uint32_t at = next.load(std::memory_order_relaxed);
  while (at < n) {
    const uint32_t count = std::max(1u, (n - at) / (kGuide * threads));
    if (!next.compare_exchange_weak(at, at + count, std::memory_order_relaxed)) continue;
    body(at, at + count);
    at = next.load(std::memory_order_relaxed);
  }
}

// Deals stripes out and cuts them into products whose output fits a tile:
// body(stripe_begin, stripe_end, row_begin, row_end).
template <typename Body>
void ForTiles(const Lane& lane, uint32_t stripes, uint32_t inputs, const Body& body) {
  const uint32_t row_step = RowsPerTile(lane.rows, kernels::kStripeRows, inputs);
  const uint32_t stripe_step = std::max(1u, kTileFloats / kernels::kStripeRows / row_step);
  Share(lane, stripes, [&](uint32_t begin, uint32_t end) {
    for (uint32_t s0 = begin; s0 < end; s0 += stripe_step) {
      for (uint32_t r0 = 0; r0 < lane.rows; r0 += row_step) {
        body(s0, std::min(s0 + stripe_step, end), r0, std::min(r0 + row_step, lane.rows));
      }
    }
  });
}

// Rows [row_begin, row_end) of `input` times stripes [stripe_begin, stripe_end) of `matrix`, as
// kernels::KernelTable::matmul.
inline void Multiply(const Step& step, const kernels::PackedMatrix& matrix,
                     const kernels::Activations& input, uint32_t row_begin, uint32_t row_end,
                     uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride) {
  step.kernels.matmul(matrix, input, row_begin, row_end, stripe_begin, stripe_end, out, out_stride);
}

// Single rows of `matrix` times activation row m: out[i] belongs to rows[i]. The same bits.
inline void MultiplyRows(const Step& step, const kernels::PackedMatrix& matrix,
                         const kernels::Activations& input, uint32_t m,
                         std::span<const uint32_t> rows, float* out) {
  step.kernels.matvec_rows(matrix, input, m, rows.data(), static_cast<uint32_t>(rows.size()), out);
}

}  // namespace infe::model
