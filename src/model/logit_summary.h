// What sampling wants to know of a run of logits: its maximum and its weight. The head works them
// out while the logits are still in the cache of the thread that made them; the sampler does the
// same for what it changes afterwards. Both come here, so their bits are the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "kernels/table.h"

namespace infe::model {

// Logits of one run; runs start at multiples of it. Four words of a mask.
inline constexpr uint32_t kLogitSpan = 256;

inline constexpr uint32_t LogitSpans(uint32_t vocabulary) {
  return (vocabulary + kLogitSpan - 1) / kLogitSpan;
}

struct LogitSummary {
  double weight = -1;  // sum of exp((x - max) / temperature) of the run; negative: not worked out
  float max = -std::numeric_limits<float>::infinity();
};

// The run as `mask` leaves it (bit i: x[i] may follow; count of them rounded up to words): x itself
// where all may, else a copy in scratch[kLogitSpan] with -infinity for the others; empty where none
// may. mask null: all.
inline std::span<const float> MaskSpan(const float* x, uint32_t count, const uint64_t* mask,
                                       float* scratch) {
  if (mask == nullptr) return {x, count};
  uint64_t all = ~uint64_t{0};
  uint64_t any = 0;
  for (uint32_t bit = 0; bit < count; bit += 64) {
    const uint64_t beyond = count - bit < 64 ? ~uint64_t{0} << (count - bit) : 0;
    all &= mask[bit / 64] | beyond;
    any |= mask[bit / 64] & ~beyond;
  }
  if (any == 0) return {};
  if (all == ~uint64_t{0}) return {x, count};
  // Four at a time: baseline instructions in the compilers' vector extension.
  using Floats = float __attribute__((vector_size(16)));
  using Ints = int32_t __attribute__((vector_size(16)));
  constexpr Ints kBits = {1, 2, 4, 8};
  const Ints forbidden = (Ints)(Floats{} - std::numeric_limits<float>::infinity());
  uint32_t bit = 0;
  for (; bit + 4 <= count; bit += 4) {
    const auto nibble = static_cast<int32_t>((mask[bit / 64] >> (bit % 64)) & 15);
    const Ints may = ((Ints{} + nibble) & kBits) != 0;
    Ints value;
    std::memcpy(&value, x + bit, sizeof value);
    value = (value & may) | (forbidden & ~may);
    std::memcpy(scratch + bit, &value, sizeof value);
  }
  for (; bit < count; ++bit) {
    const bool may = ((mask[bit / 64] >> (bit % 64)) & 1) != 0;
    scratch[bit] = may ? x[bit] : -std::numeric_limits<float>::infinity();
  }
  return {scratch, count};
}

// inverse_temperature 0: only the maximum. What is no number is neither the maximum nor weighs.
inline LogitSummary Summarise(const kernels::KernelTable& kernels, std::span<const float> x,
                              float inverse_temperature) {
  LogitSummary summary;
  if (x.empty()) return {.weight = 0};
  uint32_t index = 0;
  const auto count = static_cast<uint32_t>(x.size());
  summary.max = kernels.max_index(x.data(), count, &index);
  if (!(summary.max > -std::numeric_limits<float>::infinity())) {
    return {.weight = 0};
  }
  if (inverse_temperature <= 0) return summary;
  summary.weight = kernels.exp_sum(x.data(), summary.max, inverse_temperature, count);
  if (summary.weight == summary.weight) return summary;
  summary.weight = 0;
  for (const float& logit : x) {
    if (logit == logit)
      summary.weight += kernels.exp_sum(&logit, summary.max, inverse_temperature, 1);
  }
  return summary;
}

}  // namespace infe::model
