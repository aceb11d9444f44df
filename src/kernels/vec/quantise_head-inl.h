// One head's row as s8 with one scale: keys, values and queries of int8 attention.
#pragma once

#include <cstdint>

#include "kernels/vec/vec.h"

namespace infe::kernels::vec {
namespace {

// The same operations as the quantisation of activations. Returns the scale; 0, and integers 0, for
// a row whose largest magnitude is below 1e-30. n: a multiple of V::kLanes.
template <Vec V>
inline float QuantiseHead(const float* x, uint32_t n, int8_t* out) {
  V largest = V::All(0.0f);
  for (uint32_t i = 0; i < n; i += V::kLanes) largest = Max(Abs(V::Load(x + i)), largest);
  const float top = LargestLane(largest);
  const bool zero = !(top >= 1e-30f);
  const V inverse = V::All(zero ? 0.0f : 127.0f / top);
  for (uint32_t i = 0; i < n; i += V::kLanes) (V::Load(x + i) * inverse).StoreInt8(out + i);
  return zero ? 0.0f : top / 127.0f;
}

}  // namespace
}  // namespace infe::kernels::vec
