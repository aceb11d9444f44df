// The recurrence of running states on every ISA: against f64, and the promise that a sequence's
// bits do not depend on how it is cut.
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/table.h"

namespace infe::kernels {
namespace {

float Noise(uint64_t seed, uint64_t i) {  // in -1..1
  uint64_t z = (seed * 0x9e3779b97f4a7c15u + i + 1) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<float>(static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0);
}

constexpr uint32_t kTokens = 40;

struct Shape {
  uint32_t keys, values;
};

// Tokens of a head: keys of about length 1, decays and rates in (0, 1).
struct Head {
  explicit Head(Shape shape) : shape(shape), stride(2 * shape.keys + shape.values) {
    for (size_t i = 0; i < size_t{kTokens} * stride; ++i) {
      rows.push_back(Noise(1, i) / std::sqrt(static_cast<float>(shape.keys)));
    }
    for (uint32_t i = 0; i < 2 * kTokens; ++i) gates.push_back(0.5F + 0.5F * Noise(2, i));
  }

  // All tokens, in calls of `chunk`.
  std::vector<float> Run(const KernelTable& table, Recurrence kind, uint32_t chunk) const {
    std::vector<float> state(size_t{shape.keys} * shape.values);
    std::vector<float> out(size_t{kTokens} * shape.values);
    for (uint32_t t = 0; t < kTokens; t += chunk) {
      const float* row = rows.data() + t * stride;
      table.recur(kind, {.state = state.data(),
                         .keys = shape.keys,
                         .values = shape.values,
                         .tokens = std::min(chunk, kTokens - t),
                         .q = row,
                         .k = row + shape.keys,
                         .v = row + 2 * shape.keys,
                         .stride = stride,
                         .decay = gates.data() + 2 * t,
                         .rate = gates.data() + 2 * t + 1,
                         .gate_stride = 2,
                         .out = out.data() + t * shape.values,
                         .out_stride = shape.values});
    }
    return out;
  }

  std::vector<double> Exact(Recurrence kind) const {
    std::vector<double> state(size_t{shape.keys} * shape.values), out;
    for (uint32_t t = 0; t < kTokens; ++t) {
      const float* q = rows.data() + t * stride;
      const float* k = q + shape.keys;
      const float* v = k + shape.keys;
      for (uint32_t j = 0; j < shape.values; ++j) {
        double known = 0;
        double sum = 0;
        const auto at = [&](uint32_t i) -> double& { return state[i * shape.values + j]; };
        for (uint32_t i = 0; i < shape.keys; ++i) known += k[i] * (at(i) *= gates[2 * t]);
        if (kind == Recurrence::kSum) known = 0;
        for (uint32_t i = 0; i < shape.keys; ++i) {
          at(i) += k[i] * gates[2 * t + 1] * (v[j] - known);
          sum += q[i] * at(i);
        }
        out.push_back(sum);
      }
    }
    return out;
  }

  Shape shape;
  size_t stride;
  std::vector<float> rows, gates;
};

class Recurrences : public testing::TestWithParam<std::tuple<Isa, Recurrence>> {};

TEST_P(Recurrences, AreCloseToExactAndTheSameHoweverCut) {
  const auto [isa, kind] = GetParam();
  const KernelTable* table = FindKernels(isa);
  if (table == nullptr) GTEST_SKIP() << "not on this CPU";
  for (const Shape shape : {Shape{128, 128}, Shape{16, 64}, Shape{7, 16}, Shape{128, 80}}) {
    const Head head(shape);
    const std::vector<float> whole = head.Run(*table, kind, kTokens);
    const std::vector<double> exact = head.Exact(kind);
    for (size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(whole[i], exact[i], 1e-6) << i;
    for (const uint32_t chunk : {1u, 7u, 33u}) {
      EXPECT_EQ(head.Run(*table, kind, chunk), whole) << "in chunks of " << chunk;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Recurrences,
                         testing::Combine(testing::Values(Isa::kGeneric, Isa::kAvx2,
                                                          Isa::kAvx512Vnni),
                                          testing::Values(Recurrence::kSum, Recurrence::kDelta)),
                         [](const auto& info) {
                           return std::string(Name(std::get<0>(info.param))) +
                                  (std::get<1>(info.param) == Recurrence::kSum ? "_sum" : "_delta");
                         });

}  // namespace
}  // namespace infe::kernels
