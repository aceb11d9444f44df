// Attention on every ISA against f64 over the stored keys and values, and the promise that a row's
// bits do not depend on how rows are cut into calls, or spans shared out between threads.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/avx512/emulated_tables_test.h"
#include "kernels/guarded_memory_test.h"
#include "kernels/half.h"
#include "kernels/table.h"

namespace infe::kernels {
namespace {

float Noise(uint64_t seed, uint64_t i) {  // in -1..1
  uint64_t z = (seed * 0x9e3779b97f4a7c15u + i + 1) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<float>(static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0);
}

struct Shape {
  uint32_t head_dim;
  uint32_t group;
  uint32_t window;
  float softcap = 0;
  uint32_t sinks = 0;       // of the group's heads; 0: none
  bool both_sides = false;  // of each position are seen
};

// Some that count for nothing, some that outweigh every key.
constexpr float kSinks[] = {0.5F, -3, 9, 2, -40, 1, 30, 0};

// A sequence of `positions` positions with its KV tiles and queries for every position.
class Sequence {
 public:
  Sequence(const KernelTable& table, KvType type, Shape shape, uint32_t positions)
      : table_(table), type_(type), shape_(shape), positions_(positions) {
    const uint32_t hd = shape.head_dim;
    k_.resize(size_t{positions} * hd);
    v_.resize(k_.size());
    q_.resize(k_.size() * shape.group);
    // A few keys stand out, so that maxima move from tile to tile.
    for (size_t i = 0; i < k_.size(); ++i) {
      k_[i] = Noise(1, i) * (i / hd % 37 == 5 ? 6.0f : 1.0f);
      v_[i] = Noise(2, i);
    }
    for (size_t i = 0; i < q_.size(); ++i) q_[i] = 2 * Noise(3, i);
    for (uint32_t t = 0; t < (positions + 31) / 32; ++t) {
      memory_.emplace_back(table.kv_tile_bytes(type, hd));
      // Slots never written hold NaNs in either reading.
      std::memset(memory_.back().data(), 0xff, table.kv_tile_bytes(type, hd));
      tiles_.push_back(memory_.back().data());
    }
    for (uint32_t p = 0; p < positions; ++p)
      table.kv_write(type, memory_[p / 32].data(), p % 32, &k_[size_t{p} * hd], &v_[size_t{p} * hd],
                     hd);
  }

  // Rows [begin, end) in one call.
  std::vector<float> Attend(uint32_t begin, uint32_t end) const {
    const Buffers b(*this, begin, end);
    table_.attention(type_, b.args);
    return b.Out();
  }

  // The same through partials of single spans.
  std::vector<float> AttendBySpans(uint32_t begin, uint32_t end) const {
    const Buffers b(*this, begin, end);
    const uint32_t first = FirstSeen(begin) / kAttentionSpan;
    const uint32_t last = (EndSeen(end - 1) - 1) / kAttentionSpan;
    const size_t floats =
        table_.attention_partial_floats(end - begin, shape_.group, shape_.head_dim);
    const GuardedMemory partials((last - first + 1) * floats * sizeof(float));
    for (uint32_t span = last + 1; span-- > first;)  // in any order
      table_.attention_span(type_, b.args, span, partials.As<float>() + (span - first) * floats);
    table_.attention_merge(b.args, partials.As<float>(), last - first + 1, floats);
    return b.Out();
  }

  std::vector<double> Exact(uint32_t position) const {
    const uint32_t hd = shape_.head_dim;
    std::vector<double> out;
    for (uint32_t g = 0; g < shape_.group; ++g) {
      const float* q = &q_[(size_t{position} * shape_.group + g) * hd];
      std::vector<double> scores;
      double top = -1e300;
      for (uint32_t p = FirstSeen(position); p < EndSeen(position); ++p) {
        double dot = 0;
        for (uint32_t d = 0; d < hd; ++d) dot += double{q[d]} * Stored(k_[size_t{p} * hd + d]);
        dot *= Scale();
        if (shape_.softcap != 0) dot = shape_.softcap * std::tanh(dot / shape_.softcap);
        scores.push_back(dot);
        top = std::max(top, scores.back());
      }
      std::vector<double> sum(hd);
      double weights = 0;
      if (shape_.sinks > 0) {
        top = std::max(top, double{kSinks[g]});
        weights = std::exp(kSinks[g] - top);
      }
      for (size_t i = 0; i < scores.size(); ++i) {
        const double w = std::exp(scores[i] - top);
        weights += w;
        for (uint32_t d = 0; d < hd; ++d)
          sum[d] += w * Stored(v_[(FirstSeen(position) + i) * hd + d]);
      }
      for (double& s : sum) out.push_back(s / weights);
    }
    return out;
  }

  size_t row_floats() const { return size_t{shape_.group} * shape_.head_dim; }
  float Scale() const { return 1.0f / std::sqrt(static_cast<float>(shape_.head_dim)); }
  void Forget(uint32_t tile) { tiles_[tile] = nullptr; }

 private:
  // f16 storage is part of the kernel's contract; int8 storage is part of its error.
  double Stored(float x) const { return type_ == KvType::kF16 ? F16ToF32(F32ToF16(x)) : x; }
  uint32_t FirstSeen(uint32_t p) const {
    const uint32_t before = shape_.both_sides ? shape_.window / 2 : shape_.window - 1;
    return shape_.window != 0 && p > before ? p - before : 0;
  }
  uint32_t EndSeen(uint32_t p) const {
    if (!shape_.both_sides) return p + 1;
    return shape_.window == 0 ? positions_ : std::min(positions_, p + shape_.window / 2 + 1);
  }

  struct Buffers {
    Buffers(const Sequence& s, uint32_t begin, uint32_t end)
        : q((end - begin) * s.row_floats() * sizeof(float)),
          out((end - begin) * s.row_floats() * sizeof(float)),
          scratch(RoundUp64(
              s.table_.attention_scratch_floats(end - begin, s.shape_.group, s.shape_.head_dim) *
              sizeof(float))) {
      std::memcpy(q.data(), &s.q_[begin * s.row_floats()],
                  (end - begin) * s.row_floats() * sizeof(float));
      args = {.q = q.As<float>(),
              .q_stride = s.row_floats(),
              .out = out.As<float>(),
              .out_stride = s.row_floats(),
              .rows = end - begin,
              .group = s.shape_.group,
              .head_dim = s.shape_.head_dim,
              .position = begin,
              .window = s.shape_.window,
              .length = s.shape_.both_sides ? s.positions_ : 0,
              .scale = s.Scale(),
              .softcap = s.shape_.softcap,
              .sinks = s.shape_.sinks > 0 ? kSinks : nullptr,
              .tiles = s.tiles_.data(),
              .scratch = scratch.As<float>()};
    }
    static size_t RoundUp64(size_t n) { return (n + 63) / 64 * 64; }
    std::vector<float> Out() const { return {args.out, args.out + args.rows * args.out_stride}; }
    GuardedMemory q, out, scratch;
    AttentionArgs args;
  };

  const KernelTable& table_;
  const KvType type_;
  const Shape shape_;
  const uint32_t positions_;
  std::vector<float> k_, v_, q_;
  std::vector<GuardedMemory> memory_;
  std::vector<const std::byte*> tiles_;
};

using Case = std::tuple<Isa, KvType, Shape>;

class Attention : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    table_ = FindKernels(std::get<0>(GetParam()));
    if (table_ == nullptr) GTEST_SKIP() << "not on this CPU";
  }
  Sequence Make(uint32_t positions) const {
    return Sequence(*table_, std::get<1>(GetParam()), std::get<2>(GetParam()), positions);
  }
  const KernelTable* table_ = nullptr;
};

TEST_P(Attention, IsCloseToExact) {
  const Sequence s = Make(700);
  const bool f16 = std::get<1>(GetParam()) == KvType::kF16;
  for (const uint32_t p : {0u, 1u, 30u, 31u, 32u, 200u, 511u, 512u, 513u, 699u}) {
    const std::vector<float> got = s.Attend(p, p + 1);
    const std::vector<double> exact = s.Exact(p);
    ASSERT_EQ(got.size(), exact.size());
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], exact[i], f16 ? 2e-5 : 0.06) << "position " << p << " element " << i;
  }
}

TEST_P(Attention, RowsTogetherHaveTheBitsOfRowsAlone) {
  const Sequence s = Make(560);
  std::vector<float> alone;
  const uint32_t begin = 470;
  for (uint32_t p = begin; p < 560; ++p) {
    const std::vector<float> row = s.Attend(p, p + 1);
    alone.insert(alone.end(), row.begin(), row.end());
  }
  for (const uint32_t chunk : {2u, 3u, 7u, 8u, 32u, 45u, 90u}) {
    for (uint32_t p = begin; p < 560; p += chunk) {
      const uint32_t end = std::min(560u, p + chunk);
      const std::vector<float> together = s.Attend(p, end);
      ASSERT_EQ(std::memcmp(together.data(), &alone[(p - begin) * s.row_floats()],
                            together.size() * sizeof(float)),
                0)
          << "rows " << p << " to " << end;
    }
  }
}

TEST_P(Attention, SpansMergedHaveTheBitsOfOneCall) {
  const Sequence s = Make(1100);
  for (const auto& [begin, end] :
       {std::pair{1099u, 1100u}, {1020u, 1030u}, {510u, 514u}, {3u, 4u}}) {
    const std::vector<float> whole = s.Attend(begin, end);
    const std::vector<float> merged = s.AttendBySpans(begin, end);
    ASSERT_EQ(std::memcmp(whole.data(), merged.data(), whole.size() * sizeof(float)), 0)
        << "rows " << begin << " to " << end;
  }
}

TEST_P(Attention, TilesOutsideTheWindowAreNotRead) {
  const uint32_t window = std::get<2>(GetParam()).window;
  if (window == 0) GTEST_SKIP() << "no window";
  Sequence s = Make(1100);
  const std::vector<float> before = s.Attend(1090, 1100);
  for (uint32_t tile = 0; tile < (1091 - window) / 32; ++tile) s.Forget(tile);
  const std::vector<float> after = s.Attend(1090, 1100);
  EXPECT_EQ(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)), 0);
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Isa isa : {Isa::kGeneric, Isa::kAvx2, Isa::kAvx512Vnni})
    for (const KvType type : {KvType::kF16, KvType::kInt8})
      for (const Shape shape :
           {Shape{64, 3, 0}, Shape{64, 7, 0}, Shape{256, 4, 0}, Shape{256, 4, 128}, Shape{32, 1, 0},
            Shape{80, 8, 50}, Shape{128, 2, 600}, Shape{16, 5, 0}, Shape{64, 8, 128, 0, 8},
            Shape{80, 3, 0, 1.5F}, Shape{32, 1, 0, 0, 0, true}, Shape{80, 8, 50, 0, 0, true}})
        // The generic kernels are slow and blind to shapes: two will do.
        if (isa != Isa::kGeneric || shape.head_dim == 80 || shape.group == 3)
          cases.emplace_back(isa, type, shape);
  return cases;
}

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  const auto& [isa, type, shape] = info.param;
  return std::string(Name(isa)) + (type == KvType::kF16 ? "_f16_" : "_int8_") +
         std::to_string(shape.head_dim) + "x" + std::to_string(shape.group) + "_window" +
         std::to_string(shape.window) + (shape.sinks > 0 ? "_sinks" : "") +
         (shape.softcap != 0 ? "_softcap" : "") + (shape.both_sides ? "_both_sides" : "");
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention, testing::ValuesIn(Cases()), CaseName);

// The wider vectors hold the same lanes: nothing depends on which of the two ran.
void ExpectTheBitsOfAvx2(const KernelTable& wide) {
  const KernelTable& avx2 = *FindKernels(Isa::kAvx2);
  for (const KvType type : {KvType::kF16, KvType::kInt8}) {
    for (const Shape shape : {Shape{64, 3, 0}, Shape{80, 8, 50}, Shape{256, 4, 128},
                              Shape{64, 8, 0, 2, 8}, Shape{32, 1, 50, 0, 0, true}}) {
      const Sequence a(wide, type, shape, 600);
      const Sequence b(avx2, type, shape, 600);
      for (const auto& [begin, end] : {std::pair{599u, 600u}, {495u, 530u}, {0u, 5u}})
        EXPECT_EQ(a.Attend(begin, end), b.Attend(begin, end)) << "head_dim " << shape.head_dim;
    }
  }
}

TEST(WideAttention, HasTheBitsOfAvx2) {
  if (FindKernels(Isa::kAvx512Vnni) == nullptr) GTEST_SKIP() << "not on this CPU";
  ExpectTheBitsOfAvx2(*FindKernels(Isa::kAvx512Vnni));
}

TEST(WideAttention, HasTheBitsOfAvx2WhereItIsEmulated) {
  if (EmulatedAvx512() == nullptr) GTEST_SKIP() << "not in this build";
  ExpectTheBitsOfAvx2(*EmulatedAvx512());
}

TEST(KvTiles, AreSmallerInInt8) {
  for (const Isa isa : {Isa::kGeneric, Isa::kAvx2, Isa::kAvx512Vnni}) {
    const KernelTable* table = FindKernels(isa);
    if (table == nullptr) continue;
    EXPECT_EQ(table->kv_tile_bytes(KvType::kF16, 64), 2u * 32 * 64 * 2);
    EXPECT_EQ(table->kv_tile_bytes(KvType::kInt8, 64), 2u * 32 * (64 + 4));
  }
}

}  // namespace
}  // namespace infe::kernels
