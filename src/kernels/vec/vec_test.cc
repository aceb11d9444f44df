// The algorithms of this folder over a Vec of four lanes in plain C++, as an ISA with vectors of
// 128 bits would bring it: lane for lane AVX2's bits, so that what is written once really does not
// depend on the width.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/half.h"
#include "kernels/table.h"
#include "kernels/vec/attention-inl.h"
#include "kernels/vec/elementwise-inl.h"

namespace infe::kernels::vec {
namespace {

struct FourLanes {
  static constexpr uint32_t kLanes = 4;
  struct Mask {
    bool lanes[4];
  };
  float v[4];

  template <class F>
  static FourLanes Each(F lane) {
    return {{lane(0), lane(1), lane(2), lane(3)}};
  }
  static FourLanes All(float x) { return {{x, x, x, x}}; }
  static FourLanes Load(const float* from) { return LoadFirst(from, 4); }
  void Store(float* to) const { StoreFirst(to, 4); }
  static FourLanes LoadFirst(const float* from, uint32_t count) {
    return Each([&](uint32_t i) { return i < count ? from[i] : 0.0f; });
  }
  void StoreFirst(float* to, uint32_t count) const { std::memcpy(to, v, count * sizeof(float)); }
  void StoreInt8(int8_t* to) const {
    for (int i = 0; i < 4; ++i) to[i] = static_cast<int8_t>(std::nearbyint(v[i]));
  }
  static Mask Between(uint32_t first, uint32_t begin, uint32_t end) {
    const auto seen = [&](uint32_t i) { return first + i >= begin && first + i < end; };
    return {{seen(0), seen(1), seen(2), seen(3)}};
  }
  static float Root(float x) { return std::sqrt(x); }
};

FourLanes operator+(FourLanes a, FourLanes b) {
  return FourLanes::Each([&](uint32_t i) { return a.v[i] + b.v[i]; });
}
FourLanes operator-(FourLanes a, FourLanes b) {
  return FourLanes::Each([&](uint32_t i) { return a.v[i] - b.v[i]; });
}
FourLanes operator*(FourLanes a, FourLanes b) {
  return FourLanes::Each([&](uint32_t i) { return a.v[i] * b.v[i]; });
}
FourLanes operator/(FourLanes a, FourLanes b) {
  return FourLanes::Each([&](uint32_t i) { return a.v[i] / b.v[i]; });
}
FourLanes MulAdd(FourLanes a, FourLanes b, FourLanes c) {
  return FourLanes::Each([&](uint32_t i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
}
FourLanes MulSub(FourLanes a, FourLanes b, FourLanes c) {
  return FourLanes::Each([&](uint32_t i) { return std::fma(a.v[i], b.v[i], -c.v[i]); });
}
FourLanes NegMulAdd(FourLanes a, FourLanes b, FourLanes c) {
  return FourLanes::Each([&](uint32_t i) { return std::fma(-a.v[i], b.v[i], c.v[i]); });
}
FourLanes Max(FourLanes a, FourLanes b) {
  return FourLanes::Each([&](uint32_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
FourLanes Min(FourLanes a, FourLanes b) {
  return FourLanes::Each([&](uint32_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
FourLanes Abs(FourLanes a) {
  return FourLanes::Each([&](uint32_t i) { return std::fabs(a.v[i]); });
}
FourLanes Round(FourLanes a) {
  return FourLanes::Each([&](uint32_t i) { return std::nearbyint(a.v[i]); });
}
FourLanes PowerOfTwo(FourLanes a) {
  return FourLanes::Each([&](uint32_t i) { return std::ldexp(1.0f, static_cast<int>(a.v[i])); });
}
FourLanes Where(FourLanes::Mask mask, FourLanes a, FourLanes b) {
  return FourLanes::Each([&](uint32_t i) { return mask.lanes[i] ? a.v[i] : b.v[i]; });
}
FourLanes WhereOrZero(FourLanes::Mask mask, FourLanes a) {
  return Where(mask, a, FourLanes::All(0.0f));
}
float FirstLane(FourLanes a) {
  return a.v[0];
}
float LargestLane(FourLanes a) {
  return std::max(std::max(a.v[0], a.v[1]), std::max(a.v[2], a.v[3]));
}
float Max32(const FourLanes (&x)[8]) {
  float largest = LargestLane(x[0]);
  for (const FourLanes& four : x) largest = std::max(largest, LargestLane(four));
  return largest;
}
float Sum32(const FourLanes (&x)[8]) {
  const FourLanes low = (x[0] + x[2]) + (x[4] + x[6]);
  const FourLanes high = (x[1] + x[3]) + (x[5] + x[7]);
  const FourLanes four = low + high;
  return (four.v[0] + four.v[2]) + (four.v[1] + four.v[3]);
}

static_assert(BlockVec<FourLanes>);

float Noise(uint64_t seed, uint64_t i) {  // in -1..1
  uint64_t z = (seed * 0x9e3779b97f4a7c15u + i + 1) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<float>(static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0);
}

std::vector<float> Values(uint64_t seed, uint32_t n) {
  std::vector<float> x(n);
  for (uint32_t i = 0; i < n; ++i) x[i] = Noise(seed, i) * (i % 7 == 3 ? 90.0f : 4.0f);
  return x;
}

class FourLanesHaveAvx2sBits : public testing::Test {
 protected:
  void SetUp() override {
    avx2_ = FindKernels(Isa::kAvx2);
    if (avx2_ == nullptr) GTEST_SKIP() << "not on this CPU";
  }
  const KernelTable* avx2_ = nullptr;
};

TEST_F(FourLanesHaveAvx2sBits, InElementwiseFunctions) {
  for (const uint32_t n : {1u, 4u, 7u, 8u, 12u, 31u, 32u, 37u, 44u, 63u, 576u}) {
    const std::vector<float> x = Values(1, n), y = Values(2, n);
    std::vector<float> a(n), b(n);
    avx2_->rms_norm(x.data(), y.data(), 1e-5f, n, a.data());
    RmsNorm<FourLanes>(x.data(), y.data(), 1e-5f, n, b.data());
    EXPECT_EQ(a, b) << "rms_norm of " << n;
    avx2_->swiglu(x.data(), y.data(), n, a.data());
    Swiglu<FourLanes>(x.data(), y.data(), n, b.data());
    EXPECT_EQ(a, b) << "swiglu of " << n;
    avx2_->geglu(x.data(), y.data(), n, a.data());
    Geglu<FourLanes>(x.data(), y.data(), n, b.data());
    EXPECT_EQ(a, b) << "geglu of " << n;
    std::vector<float> c = Values(3, 2 * n), d = c;
    const std::vector<float> cos_sin = Values(4, 2 * n);
    avx2_->rope(c.data(), cos_sin.data(), 2 * n);
    Rope<FourLanes>(d.data(), cos_sin.data(), 2 * n);
    EXPECT_EQ(c, d) << "rope of " << 2 * n;
  }
}

// AVX2's f16 and int8 tiles, products in plain loops of the same order.
template <KvType type>
struct PlainTile {
  using V = FourLanes;
  static constexpr uint32_t kRowsMax = 3;
  static constexpr bool kF16 = type == KvType::kF16;

  static float Half(const std::byte* tile, size_t i) {
    uint16_t bits;
    std::memcpy(&bits, tile + 2 * i, sizeof bits);
    return F16ToF32(bits);
  }
  static int Byte(const std::byte* tile, size_t i) {
    return static_cast<int8_t>(tile[kInt8Header + i]);
  }
  static const float* ValueScales(const std::byte* tile) {
    return kF16 ? nullptr : reinterpret_cast<const float*>(tile) + kTile;
  }
  static void PrepareQuery(const QueryRows& in, uint32_t row, const float* q, float scale) {
    float* out = in.q + size_t{row} * in.head_dim;
    if (kF16) {
      for (uint32_t d = 0; d < in.head_dim; ++d) out[d] = q[d] * scale;
    } else {
      in.q_scales[row] = QuantiseHead<V>(q, in.head_dim, reinterpret_cast<int8_t*>(out)) * scale;
    }
  }
  template <int rows>
  static void Scores(const QueryRows& in, const std::byte* tile, const std::byte*, uint32_t first) {
    for (uint32_t r = first; r < first + rows; ++r) {
      const float* q = in.q + size_t{r} * in.head_dim;
      for (uint32_t p = 0; p < kTile; ++p) {
        float sum = 0;
        int dot = 0;
        for (uint32_t d = 0; d < in.head_dim; ++d) {
          if (kF16)
            sum = std::fma(q[d], Half(tile, size_t{d} * kTile + p), sum);
          else
            dot += reinterpret_cast<const int8_t*>(q)[d] *
                   Byte(tile, (size_t{d} / 4 * kTile + p) * 4 + d % 4);
        }
        const float* scales = reinterpret_cast<const float*>(tile);
        in.weights[r * kTile + p] =
            kF16 ? sum : static_cast<float>(dot) * (scales[p] * in.q_scales[r]);
      }
    }
  }
  template <int rows>
  static void AddValues(const QueryRows& in, const std::byte* tile, const std::byte*,
                        uint32_t first, uint32_t count) {
    const size_t values = size_t{kTile} * in.head_dim;
    for (uint32_t r = first; r < first + rows; ++r) {
      for (uint32_t d = 0; d < in.head_dim; ++d) {
        float& acc = in.acc[r * in.acc_stride + d];
        acc *= in.correction[r];
        for (uint32_t p = 0; p < count; ++p) {
          const size_t at = values + size_t{p} * in.head_dim + d;
          const float value = kF16 ? Half(tile, at) : static_cast<float>(Byte(tile, at));
          acc = std::fma(in.weights[r * kTile + p], value, acc);
        }
      }
    }
  }
};

template <KvType type>
void ExpectSameAttention(const KernelTable& avx2) {
  constexpr uint32_t kPositions = 550, kHeadDim = 48, kGroup = 3, kRows = 5;
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> tiles;
  for (uint32_t p = 0; p < kPositions; ++p) {
    if (p % kTile == 0) {
      memory.emplace_back(avx2.kv_tile_bytes(type, kHeadDim));
      tiles.push_back(memory.back().data());
    }
    avx2.kv_write(type, memory.back().data(), p % kTile, Values(10 + p, kHeadDim).data(),
                  Values(1000 + p, kHeadDim).data(), kHeadDim);
  }
  const std::vector<float> q = Values(5, kRows * kGroup * kHeadDim);
  std::vector<float> scratch(16 + avx2.attention_scratch_floats(kRows, kGroup, kHeadDim));
  const auto aligned = (reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64;
  for (const uint32_t position : {0u, 20u, 509u, kPositions - kRows}) {
    for (const uint32_t window : {0u, 40u}) {
      std::vector<float> a(q.size()), b(q.size());
      AttentionArgs args = {.q = q.data(),
                            .q_stride = kGroup * kHeadDim,
                            .out = a.data(),
                            .out_stride = kGroup * kHeadDim,
                            .rows = kRows,
                            .group = kGroup,
                            .head_dim = kHeadDim,
                            .position = position,
                            .window = window,
                            .scale = 0.01f,
                            .tiles = tiles.data(),
                            .scratch = reinterpret_cast<float*>(aligned)};
      avx2.attention(type, args);
      args.out = b.data();
      AttentionAll<PlainTile<type>>(args);
      EXPECT_EQ(a, b) << "from position " << position << ", window " << window;
    }
  }
}

TEST_F(FourLanesHaveAvx2sBits, InAttention) {
  ExpectSameAttention<KvType::kF16>(*avx2_);
  ExpectSameAttention<KvType::kInt8>(*avx2_);
}

}  // namespace
}  // namespace infe::kernels::vec
