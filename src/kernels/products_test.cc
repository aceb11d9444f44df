// Every type on every ISA that this CPU runs: products against f64 on the dequantised operands,
// within the bound of the type's header; the bits of a row against the same row alone.
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "kernels/avx512/emulated_tables_test.h"
#include "kernels/guarded_memory_test.h"
#include "kernels/half.h"
#include "kernels/panels/pack.h"
#include "kernels/quant/block_fields.h"
#include "kernels/table.h"

namespace infe::kernels {
namespace {

// The kernels under test; the emulated ones are the AVX-512 and AMX sources over emulated
// instructions.
enum class Kernels { kGeneric, kAvx2, kAvx512, kAmx, kEmulatedAvx512, kEmulatedAmx };

std::string NameOf(Kernels kernels) {
  switch (kernels) {
    case Kernels::kGeneric:
      return "generic";
    case Kernels::kAvx2:
      return "avx2";
    case Kernels::kAvx512:
      return "avx512";
    case Kernels::kAmx:
      return "amx";
    case Kernels::kEmulatedAvx512:
      return "avx512_emulated";
    case Kernels::kEmulatedAmx:
      return "amx_emulated";
  }
  return {};
}

// Null if this CPU (or this build's lack of SIMDe) cannot run them.
const KernelTable* TableOf(Kernels kernels) {
  switch (kernels) {
    case Kernels::kGeneric:
      return FindKernels(Isa::kGeneric);
    case Kernels::kAvx2:
      return FindKernels(Isa::kAvx2);
    case Kernels::kAvx512:
      return FindKernels(Isa::kAvx512Vnni);
    case Kernels::kAmx:
      return FindKernels(Isa::kAmx);
    case Kernels::kEmulatedAvx512:
      return EmulatedAvx512();
    case Kernels::kEmulatedAmx:
      return EmulatedAmx();
  }
  return nullptr;
}

using Case = std::tuple<Kernels, QuantTypeTraits>;

// Random bits for element i of stream `seed`.
uint64_t Bits(uint64_t seed, uint64_t i) {
  uint64_t z = (seed * 0x9e3779b97f4a7c15u + i + 1) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
float Uniform(uint64_t seed, uint64_t i) {  // in -1..1
  return static_cast<float>(static_cast<double>(Bits(seed, i) >> 11) * 0x1p-52 - 1.0);
}

// Fields of the types that came last: what the encoder takes, extremes now and then.
void RandomFields(QuantType type, uint64_t seed, BlockFields& f) {
  const bool of_eight =
      type == QuantType::kIq2S || type == QuantType::kIq2Xs || type == QuantType::kIq2Xxs;
  uint32_t entries = 256;
  if (type == QuantType::kIq3S || type == QuantType::kIq2Xs) entries = 512;
  if (type == QuantType::kIq2S) entries = 1024;
  const bool has_nibbles = type == QuantType::kIq2Xxs || type == QuantType::kIq3Xxs;
  uint32_t codes = 4;
  if (type == QuantType::kTQ1_0) codes = 3;
  if (type == QuantType::kQ1_0) codes = 2;
  if (type == QuantType::kNvfp4) codes = 16;
  const uint64_t extreme = Bits(seed, 99) % 4;
  for (int j = 0; j < 16; ++j) {
    f.sub_scales[j] = static_cast<uint8_t>(Bits(seed, 100 + j) % (has_nibbles ? 16 : 256));
    if (type == QuantType::kIq3S) f.sub_scales[j] = (f.sub_scales[j] & 31) | 1;
    if (type == QuantType::kNvfp4) f.sub_scales[j] &= 0x7f;
  }
  for (int j = 0; j < 256; ++j) {
    f.codes[j] = static_cast<uint8_t>(Bits(seed, 200 + j) % codes);
    if (extreme == 1) f.codes[j] = static_cast<uint8_t>(codes - 1);
    if (extreme == 2) f.codes[j] = 0;
  }
  for (int j = 0; j < (of_eight ? 32 : 64); ++j) {
    f.indices[j] = static_cast<uint16_t>(Bits(seed, 500 + j) % entries);
    if (extreme == 1) f.indices[j] = static_cast<uint16_t>(entries - 1);
  }
  for (int j = 0; j < 32; ++j) {
    f.signs[j] = static_cast<uint8_t>(Bits(seed, 600 + j));
    if (extreme == 1) f.signs[j] = 0xff;
    if (extreme == 2) f.signs[j] = 0;
  }
}

// Blocks whose integers take every value, extremes in every column pair of some blocks.
std::vector<std::byte> RandomBlocks(const QuantTypeTraits& traits, size_t values, uint64_t seed) {
  std::vector<std::byte> out(RowBytes(traits.type, values));
  for (size_t i = 0; i < values / traits.block_values; ++i) {
    std::byte* block = out.data() + i * traits.block_bytes;
    if (traits.type == QuantType::kF32) {
      const float v = Uniform(seed, i);
      std::memcpy(block, &v, sizeof v);
    } else if (IsFloat(traits.type)) {
      uint16_t bits = F32ToF16(Uniform(seed, i));
      if (traits.type == QuantType::kBF16) {
        const float v = Uniform(seed, i);
        std::memcpy(&bits, reinterpret_cast<const char*>(&v) + 2, sizeof bits);
      }
      std::memcpy(block, &bits, sizeof bits);
    } else {
      BlockFields f;
      f.scale = F32ToF16(Uniform(seed, 1000 * i) * 0.1f);
      f.min = F32ToF16(Uniform(seed, 1000 * i + 1) * 0.1f);
      if (traits.type == QuantType::kMxfp4) f.scale = 115 + Bits(seed, 1000 * i) % 12;
      if (traits.type >= QuantType::kIq3S) {
        RandomFields(traits.type, Bits(seed, i), f);
        traits.encode(f, block);
        continue;
      }
      const bool signed_scales = traits.type == QuantType::kQ6_K || traits.type == QuantType::kQ2_K;
      for (int j = 0; j < 16; ++j) {
        const uint64_t bits = Bits(seed, 1000 * i + 100 + j);
        f.sub_scales[j] = static_cast<uint8_t>(signed_scales ? bits : bits % 64);
        if (traits.type == QuantType::kIq4Xs || traits.type == QuantType::kQ3_K)
          f.sub_scales[j] -= 32;
        if (j < 8) f.sub_mins[j] = static_cast<uint8_t>(bits >> 32) % 64;
      }
      const uint64_t extreme = Bits(seed, 1000 * i + 99) % 4;
      for (int j = 0; j < 256; ++j) {
        const auto random = static_cast<uint8_t>(Bits(seed, 1000 * i + 200 + j));
        uint8_t mask = 0xff;
        if (traits.type == QuantType::kQ4_0 || traits.type == QuantType::kQ4_1 ||
            traits.type == QuantType::kQ4_K || traits.type == QuantType::kMxfp4 ||
            traits.type == QuantType::kIq4Nl || traits.type == QuantType::kIq4Xs)
          mask = 15;
        if (traits.type == QuantType::kQ5_0 || traits.type == QuantType::kQ5_1 ||
            traits.type == QuantType::kQ5_K)
          mask = 31;
        if (traits.type == QuantType::kQ6_K) mask = 63;
        if (traits.type == QuantType::kQ3_K) mask = 7;
        if (traits.type == QuantType::kQ2_K) mask = 3;
        f.codes[j] = random & mask;
        if (extreme == 1) f.codes[j] = mask == 0xff ? 0x80 : mask;
        if (extreme == 2) f.codes[j] = mask == 0xff ? 0x7f : 0;
      }
      traits.encode(f, block);
    }
  }
  return out;
}

// |d * q| + |m| of every weight: the two terms may cancel in the weight, their roundings do not.
std::vector<double> Magnitudes(const QuantTypeTraits& traits, const std::vector<std::byte>& blocks,
                               const std::vector<float>& weights) {
  std::vector<double> out(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) out[i] = std::fabs(weights[i]);
  const bool k_quant = traits.type == QuantType::kQ4_K || traits.type == QuantType::kQ5_K;
  const bool q2_k = traits.type == QuantType::kQ2_K;
  const bool has_min =
      k_quant || q2_k || traits.type == QuantType::kQ4_1 || traits.type == QuantType::kQ5_1;
  if (!has_min) return out;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (i % traits.block_values != 0) continue;
    BlockFields f;
    traits.decode(blocks.data() + i / traits.block_values * traits.block_bytes, f);
    for (uint32_t j = 0; j < traits.block_values; ++j) {
      double d = F16ToF32(f.scale) * (k_quant ? f.sub_scales[j / 32] : 1.0);
      double m = F16ToF32(f.min) * (k_quant ? f.sub_mins[j / 32] : 1.0);
      if (q2_k) d *= f.sub_scales[j / 16] & 15;
      if (q2_k) m *= f.sub_scales[j / 16] >> 4;
      out[i + j] = std::fabs(d) * f.codes[j] + std::fabs(m);
    }
  }
  return out;
}

// Row m of x: small, large and extreme (all of one magnitude, so every integer is +-127).
std::vector<float> RandomRows(uint32_t rows, uint32_t cols, uint64_t seed) {
  std::vector<float> x(size_t{rows} * cols);
  for (uint32_t m = 0; m < rows; ++m) {
    for (uint32_t k = 0; k < cols; ++k) {
      const float u = Uniform(seed + m, k);
      float v = u * (m % 3 == 1 ? 1000.0f : 1.0f);
      if (m % 5 == 2) v = 3.0f;
      if (m % 5 == 3) v = k / 32 % 2 == 0 ? -3.0f : (u < 0 ? -3.0f : 3.0f);
      x[size_t{m} * cols + k] = v;
    }
  }
  return x;
}

struct Problem {
  PackedMatrix matrix;
  std::vector<std::byte> source;
  GuardedMemory packed;
  std::vector<float> f32;
  GuardedMemory f32_memory;
  GuardedMemory values, scales, sums, pair_sums, grouped;
  Activations x;
};

std::unique_ptr<Problem> MakeProblem(const KernelTable& table, const QuantTypeTraits& traits,
                                     uint32_t n, uint32_t cols, uint32_t rows) {
  auto p = std::make_unique<Problem>();
  p->source = RandomBlocks(traits, size_t{n} * cols, 7);
  p->packed = GuardedMemory(table.packed_bytes(traits.type, n, cols));
  p->matrix = {traits.type, n, cols, p->packed.data()};
  table.pack(traits.type, n, cols, p->source.data(), nullptr, 0, p->matrix.stripes(),
             p->packed.data());
  p->f32 = RandomRows(rows, cols, 11);
  p->f32_memory = GuardedMemory(p->f32.size() * sizeof(float));
  std::memcpy(p->f32_memory.data(), p->f32.data(), p->f32.size() * sizeof(float));
  const size_t blocks = p->f32.size() / 32;
  p->values = GuardedMemory(p->f32.size());
  p->scales = GuardedMemory(blocks * 4);
  p->sums = GuardedMemory(blocks * 4);
  p->pair_sums = GuardedMemory(blocks * 16);
  p->grouped = GuardedMemory((rows + 15) / 16 * (cols / 32) * 32 * sizeof(float));
  p->x = {.rows = rows,
          .cols = cols,
          .values = p->values.As<int8_t>(),
          .scales = p->scales.As<float>(),
          .sums = p->sums.As<float>(),
          .pair_sums = p->pair_sums.As<int16_t>(),
          .grouped = p->grouped.As<float>(),
          .f32 = p->f32_memory.As<float>()};
  for (uint32_t m = 0; m < rows; ++m)
    table.quantise_row(p->f32.data() + size_t{m} * cols, 0, cols, m, p->x);
  return p;
}

std::vector<float> Product(const KernelTable& table, const Problem& p, uint32_t row_begin,
                           uint32_t row_end) {
  const uint32_t padded = p.matrix.stripes() * kStripeRows;
  const GuardedMemory out(size_t{row_end - row_begin} * padded * sizeof(float));
  table.matmul(p.matrix, p.x, row_begin, row_end, 0, p.matrix.stripes(), out.As<float>(), padded);
  const auto* at = out.As<float>();
  return {at, at + size_t{row_end - row_begin} * padded};
}

class Products : public testing::TestWithParam<Case> {
 protected:
  const QuantTypeTraits& traits() const { return std::get<1>(GetParam()); }
  // Columns: one with a remainder of chunks, a multiple of 256 for k-quants.
  uint32_t cols() const { return traits().block_values > 32 ? 1280 : 1120; }
  const KernelTable* table() const { return TableOf(std::get<0>(GetParam())); }
};

TEST_P(Products, StayWithinTheTypesBoundOfExact) {
  if (table() == nullptr) GTEST_SKIP() << "not on this CPU";
  const uint32_t rows = 17;
  const uint32_t n = 44;  // the second stripe is padded
  const auto p = MakeProblem(*table(), traits(), n, cols(), rows);
  const std::vector<float> out = Product(*table(), *p, 0, rows);
  std::vector<float> weights(size_t{n} * cols());
  traits().dequantise(p->source.data(), weights.data(), weights.size());
  const uint32_t padded = p->matrix.stripes() * kStripeRows;
  const std::vector<double> magnitudes = Magnitudes(traits(), p->source, weights);
  for (uint32_t m = 0; m < rows; ++m) {
    for (uint32_t i = 0; i < padded; ++i) {
      const float got = out[size_t{m} * padded + i];
      if (i >= n) {
        ASSERT_EQ(got, 0.0f) << "padding row " << i;
        continue;
      }
      double exact = 0;
      double magnitude = 0;
      for (uint32_t k = 0; k < cols(); ++k) {
        const size_t at = size_t{m} * cols() + k;
        const double v = IsFloat(traits().type) ? double{p->f32[at]}
                                                : double{p->x.scales[at / 32]} * p->x.values[at];
        const double w = weights[size_t{i} * cols() + k];
        exact += w * v;
        magnitude += std::fabs(v) * magnitudes[size_t{i} * cols() + k];
      }
      const double bound = (traits().roundings_per_32 * (cols() / 32) + 4) * 0x1p-24 * magnitude;
      ASSERT_NEAR(got, exact, bound) << "row " << m << " output " << i;
    }
  }
}

TEST_P(Products, BitsOfARowDoNotDependOnTheOthers) {
  if (table() == nullptr) GTEST_SKIP() << "not on this CPU";
  const uint32_t rows = 100;
  const auto p = MakeProblem(*table(), traits(), 44, cols(), rows);
  const uint32_t padded = p->matrix.stripes() * kStripeRows;
  std::vector<float> alone;
  for (uint32_t m = 0; m < rows; ++m) {
    const std::vector<float> row = Product(*table(), *p, m, m + 1);
    alone.insert(alone.end(), row.begin(), row.end());
  }
  for (const uint32_t count : {1u,  2u,  3u,  4u,  5u,  6u,  7u,  8u,  9u,  10u, 11u,
                               12u, 13u, 14u, 15u, 16u, 17u, 31u, 32u, 33u, 64u, 100u}) {
    const uint32_t begin = (100 - count) / 2;
    const std::vector<float> together = Product(*table(), *p, begin, begin + count);
    ASSERT_EQ(std::memcmp(together.data(), alone.data() + size_t{begin} * padded,
                          together.size() * sizeof(float)),
              0)
        << count << " rows";
  }
}

TEST(WideProducts, HaveTheSameBitsByTilesByVectorsAndEmulated) {
  const std::pair<Kernels, Kernels> both[] = {{Kernels::kAmx, Kernels::kAvx512},
                                              {Kernels::kEmulatedAmx, Kernels::kEmulatedAvx512},
                                              {Kernels::kEmulatedAvx512, Kernels::kAvx512}};
  bool any = false;
  for (const auto& [tiles, vectors] : both) {
    if (TableOf(tiles) == nullptr || TableOf(vectors) == nullptr) continue;
    any = true;
    for (const QuantTypeTraits& traits : AllQuantTypes()) {
      const uint32_t cols = traits.block_values > 32 ? 1280 : 1120;
      const auto p = MakeProblem(*TableOf(tiles), traits, 44, cols, 70);
      for (const auto& [begin, end] : {std::pair{0u, 70u}, {5u, 49u}, {16u, 48u}})
        ASSERT_EQ(Product(*TableOf(tiles), *p, begin, end),
                  Product(*TableOf(vectors), *p, begin, end))
            << NameOf(tiles) << " " << traits.name << " rows " << begin << ".." << end;
    }
  }
  if (!any) GTEST_SKIP() << "neither this CPU nor this build has them";
}

TEST_P(Products, SingleOutputsHaveTheBitsOfTheWholeProduct) {
  if (table() == nullptr) GTEST_SKIP() << "not on this CPU";
  const auto p = MakeProblem(*table(), traits(), 70, cols(), 3);
  const std::vector<float> whole = Product(*table(), *p, 2, 3);
  const std::vector<uint32_t> rows = {0, 1, 9, 31, 32, 33, 40, 69, 5, 5};
  std::vector<float> out(rows.size());
  table()->matvec_rows(p->matrix, p->x, 2, rows.data(), static_cast<uint32_t>(rows.size()),
                       out.data());
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(std::memcmp(&out[i], &whole[rows[i]], sizeof(float)), 0) << "row " << rows[i];
}

TEST_P(Products, PackedRowsComeBackAsTheyWere) {
  if (table() == nullptr) GTEST_SKIP() << "not on this CPU";
  const uint32_t n = 44;
  const std::vector<std::byte> source = RandomBlocks(traits(), size_t{n} * cols(), 3);
  std::vector<uint32_t> order(n);
  for (uint32_t i = 0; i < n; ++i) order[i] = (i * 7) % n;
  std::vector<std::byte> packed(table()->packed_bytes(traits().type, n, cols()));
  // In two parts, the second first, as threads might.
  table()->pack(traits().type, n, cols(), source.data(), order.data(), 1, 2, packed.data());
  table()->pack(traits().type, n, cols(), source.data(), order.data(), 0, 1, packed.data());
  const PackedMatrix matrix = {traits().type, n, cols(), packed.data()};
  std::vector<float> expected(cols());
  std::vector<float> row(cols());
  for (uint32_t i = 0; i < n; ++i) {
    traits().dequantise(source.data() + order[i] * RowBytes(traits().type, cols()), expected.data(),
                        cols());
    table()->unpack_row(matrix, i, row.data());
    ASSERT_EQ(std::memcmp(row.data(), expected.data(), cols() * sizeof(float)), 0) << "row " << i;
  }
}

std::vector<Case> EveryCase() {
  std::vector<Case> cases;
  for (const Kernels kernels : {Kernels::kGeneric, Kernels::kAvx2, Kernels::kAvx512, Kernels::kAmx,
                                Kernels::kEmulatedAvx512, Kernels::kEmulatedAmx})
    for (const QuantTypeTraits& traits : AllQuantTypes()) cases.emplace_back(kernels, traits);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Registry, Products, testing::ValuesIn(EveryCase()), [](const auto& info) {
  return NameOf(std::get<0>(info.param)) + "_" + std::string(std::get<1>(info.param).name);
});

TEST(Quantising, IsTheSameOnEveryIsa) {
  const uint32_t cols = 1024;
  const uint32_t rows = 20;
  std::vector<float> x = RandomRows(rows, cols, 5);
  for (uint32_t k = 0; k < 32; ++k) x[k] = 0;
  for (uint32_t k = 32; k < 64; ++k) x[k] = 1e-31f;
  for (uint32_t k = 64; k < 96; ++k) x[k] = static_cast<float>(k % 2 ? 0.5 : 127);  // ties
  for (uint32_t k = 224; k < 256; ++k) x[k] = 0;  // beside a block that is not
  const auto quantise = [&](const KernelTable& table) {
    std::vector<std::byte> memory(ActivationsBytes(rows, cols));
    const Activations a = MakeActivations(memory.data(), rows, cols, nullptr);
    for (uint32_t m = 0; m < rows; ++m) {  // in parts, as threads might
      table.quantise_row(x.data() + size_t{m} * cols, 512, cols, m, a);
      table.quantise_row(x.data() + size_t{m} * cols, 0, 96, m, a);
      table.quantise_row(x.data() + size_t{m} * cols, 96, 512, m, a);
    }
    return memory;
  };
  const std::vector<std::byte> expected = quantise(*FindKernels(Isa::kGeneric));
  const Activations a =
      MakeActivations(const_cast<std::byte*>(expected.data()), rows, cols, nullptr);
  for (uint32_t k = 0; k < rows * cols; ++k) {
    EXPECT_NEAR(a.scales[k / 32] * static_cast<float>(a.values[k]), x[k],
                a.scales[k / 32] * 0.50001f + 1e-30f);
    EXPECT_GE(a.values[k], -127);
  }
  EXPECT_EQ(a.values[64], 127);
  EXPECT_EQ(a.values[65], 0) << "a half goes to the even integer";
  for (const Kernels kernels : {Kernels::kAvx2, Kernels::kAvx512, Kernels::kEmulatedAvx512})
    if (const KernelTable* table = TableOf(kernels)) {
      EXPECT_EQ(quantise(*table), expected) << NameOf(kernels);
    }
}

}  // namespace
}  // namespace infe::kernels
