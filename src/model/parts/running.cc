#include "model/parts/running.h"

#include <algorithm>
#include <cstring>

#include "model/parts/product-inl.h"
#include "model/rope_table.h"

namespace infe::model {

using kernels::Activations;
using kernels::kStripeRows;

void MultiplyAll(Lane& lane, const Step& step, const Activations& input,
                 std::span<const PlannedProduct> products) {
  uint32_t stripes = 0;
  for (const PlannedProduct& p : products) stripes += p.matrix->stripes();
  ForTiles(lane, stripes, input.cols, [&](uint32_t s0, uint32_t s1, uint32_t r0, uint32_t r1) {
    uint32_t first = 0;
    for (const PlannedProduct& p : products) {
      const uint32_t end = first + p.matrix->stripes();
      const uint32_t from = std::max(s0, first);
      const uint32_t to = std::min(s1, end);
      if (from < to) {
        Multiply(step, *p.matrix, input, r0, r1, from - first, to - first,
                 p.out + size_t{r0} * p.stride + (from - first) * kStripeRows, p.stride);
      }
      first = end;
    }
  });
}

float* RunningState(const Step& step, const StateSlot& slot, uint32_t item, uint32_t which) {
  const uint32_t block = step.batch.items[item].blocks[slot.group][which];
  if (block == kNoBlock) return nullptr;
  return reinterpret_cast<float*>(step.state.arena[slot.group] +
                                  block * step.model.groups[slot.group].block_bytes + slot.offset);
}

ItemRows RowsOf(const Step& step, uint32_t item) {
  ItemRows rows;
  for (uint32_t i = 0; i < item; ++i) {
    rows.first += static_cast<uint32_t>(step.batch.items[i].tokens.size());
  }
  rows.count = static_cast<uint32_t>(step.batch.items[item].tokens.size());
  return rows;
}

void Convolve(const Convolution& convolution, const ItemRows& rows, uint32_t at, uint32_t n,
              float* x, size_t stride, const float* from, float* to, uint32_t channels) {
  constexpr uint32_t kTapsMax = 8;
  const uint32_t kept = convolution.count - 1;
  // The last inputs, the oldest first: a ring whose oldest entry is at `oldest`.
  float ring[kTapsMax][kConvolutionChannelsMax];
  for (uint32_t j = 0; j < kept; ++j) {
    if (from == nullptr) {
      std::fill_n(ring[j], n, 0.0F);
    } else {
      std::memcpy(ring[j], from + size_t{j} * channels + at, n * sizeof(float));
    }
  }
  uint32_t oldest = 0;
  const float* taps = convolution.taps + size_t{at} * convolution.count;
  for (uint32_t t = 0; t < rows.count; ++t) {
    float* row = x + (size_t{rows.first} + t) * stride + at;
    for (uint32_t c = 0; c < n; ++c) {
      float sum = convolution.bias == nullptr ? 0 : convolution.bias[at + c];
      for (uint32_t j = 0; j < kept; ++j) {
        sum += taps[c * convolution.count + j] * ring[(oldest + j) % kept][c];
      }
      const float newest = row[c];
      row[c] = sum + taps[c * convolution.count + kept] * newest;
      ring[oldest][c] = newest;
    }
    oldest = (oldest + 1) % kept;
  }
  for (uint32_t j = 0; j < kept; ++j) {
    std::memcpy(to + size_t{j} * channels + at, ring[(oldest + j) % kept], n * sizeof(float));
  }
}

void Silu(const Step& step, float* x, uint32_t n) {
  static constexpr uint32_t kOnes = 256;
  static const std::vector<float> ones(kOnes, 1.0F);
  for (uint32_t i = 0; i < n; i += kOnes) {
    step.kernels.swiglu(x + i, ones.data(), std::min(kOnes, n - i), x + i);
  }
}

float Softplus(const kernels::KernelTable& kernels, float x) {
  // Beyond, the sum is x to the last bit.
  constexpr float kLarge = 20;
  if (x > kLarge) return x;
  return static_cast<float>(LogOf(1 + kernels.exp_sum(&x, 0, 1, 1)));
}

float Decay(const kernels::KernelTable& kernels, float x) {
  return static_cast<float>(kernels.exp_sum(&x, 0, 1, 1));
}

Activations GoOn(Lane& lane, const Step& step, const float* rows, uint32_t width, float* floats,
                 std::byte* activations) {
  const Activations out = kernels::MakeActivations(activations, lane.rows, width, floats);
  for (uint32_t r = lane.worker.index(); r < lane.rows; r += lane.worker.count()) {
    const uint32_t step_row = lane.only_wanted ? step.plan.wanted[r].row : r;
    const float* row = rows + size_t{step_row} * width;
    if (floats != nullptr) std::memcpy(floats + size_t{r} * width, row, width * sizeof(float));
    step.kernels.quantise_row(row, 0, width, r, out);
  }
  lane.worker.Barrier();
  return out;
}

}  // namespace infe::model
