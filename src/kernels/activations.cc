#include "kernels/activations.h"

#include "base/check.h"

namespace infe::kernels {
namespace {

size_t Align64(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

size_t GroupedBytes(uint32_t rows, uint32_t cols) {
  const size_t groups = (size_t{rows} + kActivationGroup - 1) / kActivationGroup;
  return groups * (cols / kActivationBlock) * 2 * kActivationGroup * sizeof(float);
}

}  // namespace

size_t ActivationsBytes(uint32_t rows, uint32_t cols) {
  const size_t values = size_t{rows} * cols;
  const size_t blocks = values / kActivationBlock;
  return Align64(values) + 2 * Align64(blocks * sizeof(float)) +
         Align64(blocks * 8 * sizeof(int16_t)) + GroupedBytes(rows, cols);
}

Activations MakeActivations(std::byte* memory, uint32_t rows, uint32_t cols, const float* f32) {
  INFE_CHECK(cols % kActivationBlock == 0);
  const size_t values = size_t{rows} * cols;
  const size_t blocks = values / kActivationBlock;
  Activations x;
  x.rows = rows;
  x.cols = cols;
  x.values = reinterpret_cast<int8_t*>(memory);
  memory += Align64(values);
  x.scales = reinterpret_cast<float*>(memory);
  memory += Align64(blocks * sizeof(float));
  x.sums = reinterpret_cast<float*>(memory);
  memory += Align64(blocks * sizeof(float));
  x.pair_sums = reinterpret_cast<int16_t*>(memory);
  memory += Align64(blocks * 8 * sizeof(int16_t));
  x.grouped = reinterpret_cast<float*>(memory);
  x.f32 = f32;
  return x;
}

}  // namespace infe::kernels
