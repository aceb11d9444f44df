// What the mixers with a running state share: where the state lies, a causal convolution over a few
// positions, and the way of their rows to the output projection.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/activations.h"
#include "kernels/packed_matrix.h"
#include "model/parts/part.h"

namespace infe::model {

// Some products of one input that are made in one phase, stripe by stripe.
struct PlannedProduct {
  const kernels::PackedMatrix* matrix;
  float* out;  // [rows][stride], room for whole stripes
  size_t stride;
};

// All of them, shared out between the threads.
void MultiplyAll(Lane& lane, const Step& step, const kernels::Activations& input,
                 std::span<const PlannedProduct> products);

// A layer's snapshot of an item: `which` is kRunningFrom or kRunningTo. Null: the sequence begins.
float* RunningState(const Step& step, const StateSlot& slot, uint32_t item, uint32_t which);

// The rows of an item in the step: [first, first + count).
struct ItemRows {
  uint32_t first = 0;
  uint32_t count = 0;
};
ItemRows RowsOf(const Step& step, uint32_t item);

// Some channels of a causal convolution, each with its own taps: y_t = bias + sum over j of
// taps[j] * x_(t - count + 1 + j).
struct Convolution {
  const float* taps = nullptr;  // [channels][count], the newest last
  const float* bias = nullptr;  // [channels], null without
  uint32_t count = 0;
};

// Channels [at, at + n) of an item's rows, in place; n <= kConvolutionChannelsMax. The inputs that
// are still needed are kept in the snapshots: [count - 1][channels].
inline constexpr uint32_t kConvolutionChannelsMax = 256;
void Convolve(const Convolution& convolution, const ItemRows& rows, uint32_t at, uint32_t n,
              float* x, size_t stride, const float* from, float* to, uint32_t channels);

// silu(x) of n numbers, in place.
void Silu(const Step& step, float* x, uint32_t n);

// ln(1 + e^x).
float Softplus(const kernels::KernelTable& kernels, float x);
// e^x for x <= 0.
float Decay(const kernels::KernelTable& kernels, float x);

// The rows that go on, quantised for the next product: row r of `rows` [rows of the step][width],
// or of the wanted ones. floats: room for them as the product reads them, null: nobody does. Ends
// with a barrier.
kernels::Activations GoOn(Lane& lane, const Step& step, const float* rows, uint32_t width,
                          float* floats, std::byte* activations);

}  // namespace infe::model
