// The recurrence (table.h) of one head. Columns of the state are independent of each other, so they
// are taken in blocks of 32: a block's rows lie one after the other, [keys][32], and all tokens of
// the call go through a block before the next one, while it is in the first-level cache. What is
// left of the columns is a narrower block. A column's operations and their order do not depend on
// the width of the vectors, and token by token they are the same however a prompt is cut.
#pragma once

#include "kernels/table.h"
#include "kernels/vec/vec.h"

namespace infe::kernels::vec {
namespace {

// The 32 columns from `at` on, for all tokens.
template <Recurrence kind, Vec V>
inline void RecurBlock(const RecurrenceArgs& a, uint32_t at) {
  constexpr uint32_t kVectors = kBlockLanes / V::kLanes;
  float* const state = a.state + size_t{at} * a.keys;
  for (uint32_t t = 0; t < a.tokens; ++t) {
    const float* q = a.q + t * a.stride;
    const float* k = a.k + t * a.stride;
    const float* value = a.v + t * a.stride + at;
    const V decay = V::All(a.decay[t * a.gate_stride]);
    const V rate = V::All(a.rate[t * a.gate_stride]);
    V learnt[kVectors];
    for (uint32_t v = 0; v < kVectors; ++v) learnt[v] = V::Load(value + v * V::kLanes);
    if constexpr (kind == Recurrence::kDelta) {
      V even[kVectors], odd[kVectors];
      for (uint32_t v = 0; v < kVectors; ++v) even[v] = odd[v] = V::All(0.0f);
      for (uint32_t i = 0; i < a.keys; i += 2) {
        const float* s = state + size_t{i} * kBlockLanes;
        const V key = V::All(k[i]);
        for (uint32_t v = 0; v < kVectors; ++v)
          even[v] = MulAdd(key, V::Load(s + v * V::kLanes), even[v]);
        if (i + 1 == a.keys) break;
        const V next = V::All(k[i + 1]);
        for (uint32_t v = 0; v < kVectors; ++v)
          odd[v] = MulAdd(next, V::Load(s + kBlockLanes + v * V::kLanes), odd[v]);
      }
      for (uint32_t v = 0; v < kVectors; ++v)
        learnt[v] = NegMulAdd(decay, even[v] + odd[v], learnt[v]);
    }
    V sum[kVectors];
    for (uint32_t v = 0; v < kVectors; ++v) {
      learnt[v] = learnt[v] * rate;
      sum[v] = V::All(0.0f);
    }
    for (uint32_t i = 0; i < a.keys; ++i) {
      float* to = state + size_t{i} * kBlockLanes;
      const V key = V::All(k[i]);
      const V query = V::All(q[i]);
      for (uint32_t v = 0; v < kVectors; ++v) {
        const V s = MulAdd(key, learnt[v], V::Load(to + v * V::kLanes) * decay);
        s.Store(to + v * V::kLanes);
        sum[v] = MulAdd(query, s, sum[v]);
      }
    }
    for (uint32_t v = 0; v < kVectors; ++v)
      sum[v].Store(a.out + t * a.out_stride + at + v * V::kLanes);
  }
}

// The columns from `at` on, fewer than 32, one at a time: no model has such.
template <Recurrence kind>
inline void RecurRest(const RecurrenceArgs& a, uint32_t at) {
  const uint32_t width = a.values - at;
  for (uint32_t t = 0; t < a.tokens; ++t) {
    const float* q = a.q + t * a.stride;
    const float* k = a.k + t * a.stride;
    const float decay = a.decay[t * a.gate_stride];
    for (uint32_t j = 0; j < width; ++j) {
      float* s = a.state + size_t{at} * a.keys + j;
      float learnt = a.v[t * a.stride + at + j];
      if constexpr (kind == Recurrence::kDelta) {
        float known = 0;
        for (uint32_t i = 0; i < a.keys; ++i) known += k[i] * s[size_t{i} * width];
        learnt -= decay * known;
      }
      learnt *= a.rate[t * a.gate_stride];
      float sum = 0;
      for (uint32_t i = 0; i < a.keys; ++i) {
        s[size_t{i} * width] = s[size_t{i} * width] * decay + k[i] * learnt;
        sum += q[i] * s[size_t{i} * width];
      }
      a.out[t * a.out_stride + at + j] = sum;
    }
  }
}

template <Recurrence kind, Vec V>
inline void Recur(const RecurrenceArgs& a) {
  uint32_t at = 0;
  for (; at + kBlockLanes <= a.values; at += kBlockLanes) RecurBlock<kind, V>(a, at);
  if (at < a.values) RecurRest<kind>(a, at);
}

}  // namespace
}  // namespace infe::kernels::vec
