// The loops over a vocabulary that sampling needs: those of the kernels' table of this CPU, or
// plain ones. No libm: the same inputs give the same bits on every machine of one instruction set.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace infe::engine {

struct SamplerMath {
  // max(x[0..n)), n >= 1, and the index of the first one; NaN never wins over a number.
  float (*max_index)(const float* x, uint32_t n, uint32_t* index);
  // Sum over i of exp((x[i] - shift) * factor), x[i] <= shift, in an order fixed by n alone.
  double (*exp_sum)(const float* x, float shift, float factor, uint32_t n);

  float Max(const float* x, uint32_t n) const {
    uint32_t index = 0;
    return max_index(x, n, &index);
  }
};

extern const SamplerMath kPlainMath;

inline constexpr uint32_t kWeighCount = 256;
// For kWeighCount logits x at once: weights exp((x - shift) * factor), 0 for what is no number, and
// buckets min((shift - x) * factor * per_unit, bucket_last) rounded down; x <= shift.
void Weigh(const float* x, float shift, float factor, float per_unit, float bucket_last,
           float* weights, int32_t* buckets);

// The vector loops of a table; the plain ones here are better than the generic table's.
SamplerMath MathOf(const kernels::KernelTable& table);

}  // namespace infe::engine
