// The element-wise and sampling kernels of every ISA against f64, at lengths with and without
// tails, at the edge of readable memory.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/avx512/emulated_tables_test.h"
#include "kernels/guarded_memory_test.h"
#include "kernels/table.h"

namespace infe::kernels {
namespace {

constexpr uint32_t kLengths[] = {1, 2, 7, 8, 9, 31, 32, 33, 64, 100, 576, 1000, 4096};

// n floats that end at an inaccessible page.
struct Floats {
  explicit Floats(uint32_t n, const std::function<float(uint32_t)>& f = nullptr)
      : memory(n * sizeof(float)), at(memory.As<float>()), size(n) {
    for (uint32_t i = 0; i < n; ++i) at[i] = f ? f(i) : 0.0f;
  }
  GuardedMemory memory;
  float* at;
  uint32_t size;
};

float Wave(uint32_t i) {
  return 5.0f * std::sin(static_cast<float>(i) * 1.7f) + 0.3f * std::cos(static_cast<float>(i));
}

class Elementwise : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    table_ = FindKernels(GetParam());
    if (table_ == nullptr) GTEST_SKIP() << "not on this CPU";
  }
  const KernelTable* table_ = nullptr;
};

TEST_P(Elementwise, RmsNormDividesByTheRootMeanSquare) {
  for (const uint32_t n : kLengths) {
    const Floats x(n, Wave), w(n, [](uint32_t i) { return 0.5f + static_cast<float>(i % 5); });
    const Floats out(n);
    table_->rms_norm(x.at, w.at, 1e-5f, n, out.at);
    double sum = 0;
    for (uint32_t i = 0; i < n; ++i) sum += double{x.at[i]} * x.at[i];
    const double factor = 1 / std::sqrt(sum / n + 1e-5f);
    for (uint32_t i = 0; i < n; ++i)
      ASSERT_NEAR(out.at[i], x.at[i] * factor * w.at[i], 1e-6 * (1 + std::fabs(out.at[i])));
    table_->rms_norm(x.at, w.at, 1e-5f, n, x.at);  // in place
    ASSERT_EQ(std::memcmp(x.at, out.at, n * sizeof(float)), 0);
  }
}

TEST_P(Elementwise, LayerNormHasTheMeanOfItsBiasAndTheSpreadOfItsWeight) {
  for (const uint32_t n : kLengths) {
    // Far from 0, where a difference of two sums of squares would have lost its digits.
    const Floats x(n, [](uint32_t i) { return 1000.0f + Wave(i); });
    const Floats w(n, [](uint32_t i) { return 0.5f + static_cast<float>(i % 5); });
    const Floats b(n, [](uint32_t i) { return 0.1f * static_cast<float>(i % 3); });
    const Floats out(n);
    table_->layer_norm(x.at, w.at, b.at, 1e-5f, n, out.at);
    double mean = 0;
    for (uint32_t i = 0; i < n; ++i) mean += double{x.at[i]} / n;
    double variance = 0;
    for (uint32_t i = 0; i < n; ++i) variance += (x.at[i] - mean) * (x.at[i] - mean) / n;
    const double factor = 1 / std::sqrt(variance + 1e-5f);
    for (uint32_t i = 0; i < n; ++i)
      ASSERT_NEAR(out.at[i], (x.at[i] - mean) * factor * w.at[i] + b.at[i],
                  3e-4 * (1 + std::fabs(out.at[i])));
    table_->layer_norm(x.at, w.at, b.at, 1e-5f, n, x.at);  // in place
    ASSERT_EQ(std::memcmp(x.at, out.at, n * sizeof(float)), 0);
  }
}

TEST_P(Elementwise, GeluFollowsTheErrorFunction) {
  for (int step = -1200; step <= 1200; ++step) {
    const float x = static_cast<float>(step) * 0.01f;
    const Floats in(1, [&](uint32_t) { return x; }), out(1);
    table_->gelu(in.at, 1, out.at);
    ASSERT_NEAR(out.at[0], 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))),
                2e-7 * std::max(1.0f, std::fabs(x)))
        << x;
  }
  for (const uint32_t n : kLengths) {
    const Floats x(n, Wave), out(n);
    table_->gelu(x.at, n, out.at);
    for (uint32_t i = 0; i < n; ++i)
      ASSERT_NEAR(out.at[i], 0.5 * x.at[i] * (1 + std::erf(x.at[i] / std::sqrt(2.0))), 2e-6);
  }
}

TEST_P(Elementwise, AddAndScaleTouchEveryElementOnce) {
  for (const uint32_t n : kLengths) {
    const Floats y(n, Wave), x(n, [](uint32_t i) { return static_cast<float>(i); });
    table_->add(y.at, x.at, n);
    for (uint32_t i = 0; i < n; ++i) ASSERT_EQ(y.at[i], Wave(i) + static_cast<float>(i));
    table_->scale(x.at, 3.0f, n);
    for (uint32_t i = 0; i < n; ++i) ASSERT_EQ(x.at[i], 3.0f * static_cast<float>(i));
  }
}

TEST_P(Elementwise, RopeRotatesPairsHalfAHeadApart) {
  for (const uint32_t n : {2u, 16u, 30u, 64u, 80u, 256u}) {
    const Floats head(n, Wave);
    const Floats cos_sin(n, [&](uint32_t i) {
      const double angle = 0.1 * (i % (n / 2)) + 0.3;
      return static_cast<float>(i < n / 2 ? std::cos(angle) : std::sin(angle));
    });
    table_->rope(head.at, cos_sin.at, n);
    for (uint32_t i = 0; i < n / 2; ++i) {
      const double c = cos_sin.at[i];
      const double s = cos_sin.at[n / 2 + i];
      ASSERT_NEAR(head.at[i], Wave(i) * c - Wave(n / 2 + i) * s, 2e-6);
      ASSERT_NEAR(head.at[n / 2 + i], Wave(n / 2 + i) * c + Wave(i) * s, 2e-6);
    }
  }
}

TEST_P(Elementwise, GatesFollowTheirDefinitions) {
  for (const uint32_t n : kLengths) {
    const Floats gate(n, [](uint32_t i) { return Wave(i) * (i % 7 == 0 ? 30.0f : 1.0f); });
    const Floats up(n, [](uint32_t i) { return Wave(i + 3); });
    const Floats out(n);
    table_->swiglu(gate.at, up.at, n, out.at);
    for (uint32_t i = 0; i < n; ++i) {
      const double g = gate.at[i];
      ASSERT_NEAR(out.at[i], g / (1 + std::exp(-g)) * up.at[i], 1e-6 * (1 + std::fabs(out.at[i])));
    }
    table_->geglu(gate.at, up.at, n, out.at);
    for (uint32_t i = 0; i < n; ++i) {
      const double g = gate.at[i];
      const double u = 0.79788456080286535588 * (g + 0.044715 * g * g * g);
      ASSERT_NEAR(out.at[i], 0.5 * g * (1 + std::tanh(u)) * up.at[i],
                  2e-6 * (1 + std::fabs(out.at[i])));
    }
  }
}

TEST_P(Elementwise, SigmoidAndSoftcapFollowTheirDefinitions) {
  for (const uint32_t n : kLengths) {
    const auto wide = [](uint32_t i) { return Wave(i) * (i % 7 == 0 ? 200.0f : 3.0f); };
    const Floats x(n, wide), sigmoid(n, wide), capped(n, wide);
    table_->sigmoid(sigmoid.at, n);
    table_->softcap(capped.at, 30, n);
    for (uint32_t i = 0; i < n; ++i) {
      ASSERT_NEAR(sigmoid.at[i], 1 / (1 + std::exp(-double{x.at[i]})), 2e-7);
      ASSERT_NEAR(capped.at[i], 30 * std::tanh(x.at[i] / 30.0), 1e-5);
    }
  }
}

TEST_P(Elementwise, MaxIndexIsTheFirstOfEqualMaxima) {
  for (const uint32_t n : kLengths) {
    for (const uint32_t at : {0u, n / 2, n - 1}) {
      const Floats x(n, [&](uint32_t i) { return i >= at ? 7.0f : -1.0f - Wave(i) * Wave(i); });
      uint32_t index = 99;
      EXPECT_EQ(table_->max_index(x.at, n, &index), 7.0f);
      EXPECT_EQ(index, at);
    }
    const Floats low(n, [](uint32_t) { return -std::numeric_limits<float>::infinity(); });
    uint32_t index = 99;
    table_->max_index(low.at, n, &index);
    EXPECT_EQ(index, 0u);
  }
}

TEST_P(Elementwise, ExpSumIsCloseToExact) {
  for (const uint32_t n : kLengths) {
    const Floats x(n, Wave);
    double exact = 0;
    for (uint32_t i = 0; i < n; ++i) exact += std::exp((double{x.at[i]} - 5.3) * 0.7);
    EXPECT_NEAR(table_->exp_sum(x.at, 5.3f, 0.7f, n), exact, 1e-6 * exact);
  }
}

TEST_P(Elementwise, TheExponentialHoldsAcrossItsRange) {
  for (int step = -870; step <= 870; ++step) {
    const float x = static_cast<float>(step) * 0.1f;
    const Floats v(1, [&](uint32_t) { return x; });
    const double exact = std::exp(double{x});
    EXPECT_NEAR(table_->exp_sum(v.at, 0.0f, 1.0f, 1), exact, 3e-7 * exact) << x;
  }
  const Floats low(1, [](uint32_t) { return -1e30f; });
  EXPECT_LT(table_->exp_sum(low.at, 0.0f, 1.0f, 1), 2e-38);
  const Floats zero(1);
  EXPECT_EQ(table_->exp_sum(zero.at, 0.0f, 1.0f, 1), 1.0);
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Elementwise,
                         testing::Values(Isa::kGeneric, Isa::kAvx2, Isa::kAvx512Vnni),
                         [](const auto& info) { return std::string(Name(info.param)); });

void ExpectTheBitsOfAvx2(const KernelTable& wide) {
  const KernelTable& avx2 = *FindKernels(Isa::kAvx2);
  for (const uint32_t n : kLengths) {
    const Floats x(n, Wave), w(n, [](uint32_t i) { return 0.5f + static_cast<float>(i % 5); });
    const auto same = [&](const char* name, auto function) {
      const Floats a(n, Wave), b(n, Wave);
      function(avx2, a.at);
      function(wide, b.at);
      EXPECT_EQ(std::memcmp(a.at, b.at, n * sizeof(float)), 0) << name << " of " << n;
    };
    same("rms_norm",
         [&](const KernelTable& t, float* out) { t.rms_norm(x.at, w.at, 1e-5f, n, out); });
    same("layer_norm",
         [&](const KernelTable& t, float* out) { t.layer_norm(x.at, w.at, x.at, 1e-5f, n, out); });
    same("gelu", [&](const KernelTable& t, float* out) { t.gelu(x.at, n, out); });
    same("add", [&](const KernelTable& t, float* out) { t.add(out, w.at, n); });
    same("scale", [&](const KernelTable& t, float* out) { t.scale(out, 1.7f, n); });
    same("swiglu", [&](const KernelTable& t, float* out) { t.swiglu(x.at, w.at, n, out); });
    same("geglu", [&](const KernelTable& t, float* out) { t.geglu(x.at, w.at, n, out); });
    same("sigmoid", [&](const KernelTable& t, float* out) { t.sigmoid(out, n); });
    same("softcap", [&](const KernelTable& t, float* out) { t.softcap(out, 0.7f, n); });
    if (n % 2 == 0) same("rope", [&](const KernelTable& t, float* out) { t.rope(out, x.at, n); });
  }
}

TEST(Avx512Elementwise, HasTheBitsOfAvx2) {
  if (FindKernels(Isa::kAvx512Vnni) == nullptr) GTEST_SKIP() << "not on this CPU";
  ExpectTheBitsOfAvx2(*FindKernels(Isa::kAvx512Vnni));
}

TEST(Avx512Elementwise, HasTheBitsOfAvx2WhereItIsEmulated) {
  if (EmulatedAvx512() == nullptr) GTEST_SKIP() << "not in this build";
  ExpectTheBitsOfAvx2(*EmulatedAvx512());
}

TEST(Tables, ForeignIsaNamesAreKnown) {
  EXPECT_EQ(Name(Isa::kGeneric), "generic");
  EXPECT_EQ(Name(Isa::kAvx2), "avx2");
  EXPECT_EQ(Name(Isa::kAvx512Vnni), "avx512");
  EXPECT_EQ(Name(Isa::kAmx), "amx");
  EXPECT_NE(FindKernels(Isa::kGeneric), nullptr);
}

// In a child process: the choice is made once and kept.
void ExpectSelected(const char* wanted, Isa isa) {
  EXPECT_EXIT(
      {
        setenv("INFE_ISA", wanted, 1);
        std::exit(SelectKernels().isa == isa ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Tables, TheEnvironmentMayNameTheIsa) {
  ExpectSelected("generic", Isa::kGeneric);
  if (FindKernels(Isa::kAvx2) != nullptr) ExpectSelected("avx2", Isa::kAvx2);
}

TEST(Tables, UnusableNamesFallBackToTheBest) {
  Isa best = Isa::kGeneric;
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512Vnni, Isa::kAmx})
    if (FindKernels(isa) != nullptr) best = isa;
  ExpectSelected("", best);
  ExpectSelected("mmx", best);
  if (FindKernels(Isa::kAvx512Vnni) == nullptr) ExpectSelected("avx512", best);
  if (FindKernels(Isa::kAmx) == nullptr) ExpectSelected("amx", best);
}

}  // namespace
}  // namespace infe::kernels
