// Weights of many logits at once, one by one and by bucket, where the kernels' sums do not do. No
// libm: the same inputs give the same bits on every machine.
#pragma once

#include <cstdint>

namespace infe::engine {

inline constexpr uint32_t kWeighCount = 256;
// For kWeighCount logits x at once: weights exp((x - shift) * factor), 0 for what is no number, and
// buckets min((shift - x) * factor * per_unit, bucket_last) rounded down; x <= shift.
void Weigh(const float* x, float shift, float factor, float per_unit, float bucket_last,
           float* weights, int32_t* buckets);

}  // namespace infe::engine
