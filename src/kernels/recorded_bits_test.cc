// The bits of every kernel over seeded inputs, as they were recorded: what is written anew must not
// move one of them, or answers with a seed change from one version to the next. The vector ISAs
// have one set of bits between them. Inputs come from integer arithmetic alone, so that nobody's
// sine moves them. A change that is meant to move bits prints the new hashes when this test fails.
#include <algorithm>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/avx512/emulated_tables_test.h"
#include "kernels/guarded_memory_test.h"
#include "kernels/table.h"

namespace infe::kernels {
namespace {

// FNV-1a over everything that a kernel wrote.
class Digest {
 public:
  void Add(const void* data, size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < bytes; ++i) hash_ = (hash_ ^ at[i]) * 0x100000001b3u;
  }
  void Add(const std::vector<float>& x) { Add(x.data(), x.size() * sizeof(float)); }
  uint64_t Value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

float Noise(uint64_t seed, uint64_t i) {  // in -1..1
  uint64_t z = (seed * 0x9e3779b97f4a7c15u + i + 1) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<float>(static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0);
}

// Mostly a few units large, some near 0, some beyond what the exponential can tell apart.
std::vector<float> Values(uint64_t seed, uint32_t n) {
  std::vector<float> x(n);
  for (uint32_t i = 0; i < n; ++i)
    x[i] = Noise(seed, i) * (i % 11 == 3 ? 120.0f : i % 13 == 5 ? 1e-6f : 5.0f);
  if (n > 20) x[20] = 0.0f;
  return x;
}

constexpr uint32_t kLengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 64, 100, 576, 1000};

uint64_t Elementwise(const std::function<void(uint32_t n, Digest& digest)>& run) {
  Digest digest;
  for (const uint32_t n : kLengths) run(n, digest);
  return digest.Value();
}

uint64_t RmsNorm(const KernelTable& t) {
  return Elementwise([&](uint32_t n, Digest& digest) {
    const std::vector<float> x = Values(1, n), weight = Values(2, n);
    std::vector<float> out(n);
    t.rms_norm(x.data(), weight.data(), 1e-5f, n, out.data());
    digest.Add(out);
  });
}

uint64_t Add(const KernelTable& t) {
  return Elementwise([&](uint32_t n, Digest& digest) {
    std::vector<float> y = Values(3, n);
    t.add(y.data(), Values(4, n).data(), n);
    digest.Add(y);
  });
}

uint64_t Rope(const KernelTable& t) {
  return Elementwise([&](uint32_t n, Digest& digest) {
    std::vector<float> head = Values(5, 2 * n);
    std::vector<float> cos_sin(2 * n);
    for (uint32_t i = 0; i < 2 * n; ++i) cos_sin[i] = Noise(6, i);
    t.rope(head.data(), cos_sin.data(), 2 * n);
    digest.Add(head);
  });
}

uint64_t Swiglu(const KernelTable& t) {
  return Elementwise([&](uint32_t n, Digest& digest) {
    std::vector<float> out(n);
    t.swiglu(Values(7, n).data(), Values(8, n).data(), n, out.data());
    digest.Add(out);
  });
}

uint64_t Geglu(const KernelTable& t) {
  return Elementwise([&](uint32_t n, Digest& digest) {
    std::vector<float> out(n);
    t.geglu(Values(9, n).data(), Values(10, n).data(), n, out.data());
    digest.Add(out);
  });
}

uint64_t Scale(const KernelTable& t) {
  return Elementwise([&](uint32_t n, Digest& digest) {
    std::vector<float> x = Values(11, n);
    t.scale(x.data(), 1.7f, n);
    digest.Add(x);
  });
}

uint64_t Sampling(const KernelTable& t) {
  return Elementwise([&](uint32_t n, Digest& digest) {
    const std::vector<float> x = Values(12, n);
    uint32_t index = 0;
    const float top = t.max_index(x.data(), n, &index);
    const double sum = t.exp_sum(x.data(), top, 0.7f, n);
    digest.Add(&top, sizeof top);
    digest.Add(&index, sizeof index);
    digest.Add(&sum, sizeof sum);
  });
}

uint64_t Quantise(const KernelTable& t) {
  constexpr uint32_t kCols = 608;
  const GuardedMemory memory(ActivationsBytes(3, kCols));
  const Activations x = MakeActivations(memory.data(), 3, kCols, nullptr);
  for (uint32_t row = 0; row < 3; ++row) {
    std::vector<float> values = Values(13 + row, kCols);
    std::fill(values.begin() + 64, values.begin() + 96, 0.0f);
    t.quantise_row(values.data(), 0, kCols, row, x);
  }
  constexpr size_t kBlocks = 3 * kCols / 32;
  Digest digest;
  digest.Add(x.values, 3 * kCols);
  digest.Add(x.scales, kBlocks * sizeof(float));
  digest.Add(x.sums, kBlocks * sizeof(float));
  digest.Add(x.pair_sums, kBlocks * 8 * sizeof(int16_t));
  return digest.Value();
}

struct Shape {
  uint32_t head_dim, group, window;
};

// 640 positions: two spans, tiles in full and in part.
class Context {
 public:
  Context(const KernelTable& table, KvType type, Shape shape)
      : table_(table), type_(type), shape_(shape) {
    const uint32_t hd = shape.head_dim;
    for (uint32_t t = 0; t < kPositions / kKvTilePositions; ++t) {
      memory_.emplace_back(table.kv_tile_bytes(type, hd));
      tiles_.push_back(memory_.back().data());
    }
    for (uint32_t p = 0; p < kPositions; ++p) {
      std::vector<float> k(hd), v(hd);
      for (uint32_t d = 0; d < hd; ++d) {
        k[d] = Noise(20, size_t{p} * hd + d) * (p % 37 == 5 ? 6.0f : 1.0f);
        v[d] = Noise(21, size_t{p} * hd + d);
      }
      table.kv_write(type, memory_[p / kKvTilePositions].data(), p % kKvTilePositions, k.data(),
                     v.data(), hd);
    }
  }

  // What the tiles hold, which the vector ISAs share.
  void AddTiles(Digest& digest) const {
    for (const std::byte* tile : tiles_)
      digest.Add(tile, table_.kv_tile_bytes(type_, shape_.head_dim));
  }

  void AddRows(Digest& digest, uint32_t begin, uint32_t end) const {
    const uint32_t rows = end - begin;
    const size_t row_floats = size_t{shape_.group} * shape_.head_dim;
    std::vector<float> q(rows * row_floats), out(rows * row_floats);
    for (size_t i = 0; i < q.size(); ++i) q[i] = 2 * Noise(22, begin * row_floats + i);
    const size_t scratch_floats =
        table_.attention_scratch_floats(rows, shape_.group, shape_.head_dim);
    const GuardedMemory scratch((scratch_floats + 15) / 16 * 64);
    table_.attention(type_, {.q = q.data(),
                             .q_stride = row_floats,
                             .out = out.data(),
                             .out_stride = row_floats,
                             .rows = rows,
                             .group = shape_.group,
                             .head_dim = shape_.head_dim,
                             .position = begin,
                             .window = shape_.window,
                             .scale = 0.1f,
                             .tiles = tiles_.data(),
                             .scratch = scratch.As<float>()});
    digest.Add(out);
  }

  static constexpr uint32_t kPositions = 640;

 private:
  const KernelTable& table_;
  const KvType type_;
  const Shape shape_;
  std::vector<GuardedMemory> memory_;
  std::vector<const std::byte*> tiles_;
};

uint64_t AttentionOf(const KernelTable& t, KvType type) {
  Digest digest;
  for (const Shape shape : {Shape{64, 3, 0}, Shape{80, 8, 50}, Shape{32, 1, 0}}) {
    const Context context(t, type, shape);
    context.AddTiles(digest);
    context.AddRows(digest, 639, 640);
    context.AddRows(digest, 505, 520);
    context.AddRows(digest, 0, 5);
  }
  return digest.Value();
}
uint64_t AttentionF16(const KernelTable& t) {
  return AttentionOf(t, KvType::kF16);
}
uint64_t AttentionInt8(const KernelTable& t) {
  return AttentionOf(t, KvType::kInt8);
}

// Some types, for numbers of rows that take every path through the products.
uint64_t ProductsOf(const KernelTable& t, std::span<const QuantTypeTraits> types) {
  constexpr uint32_t kRows = 64, kCols = 1280, kInputs = 33;
  std::vector<float> inputs;
  for (uint32_t m = 0; m < kInputs; ++m) {
    const std::vector<float> row = Values(30 + m, kCols);
    inputs.insert(inputs.end(), row.begin(), row.end());
  }
  const GuardedMemory memory(ActivationsBytes(kInputs, kCols));
  const Activations x = MakeActivations(memory.data(), kInputs, kCols, inputs.data());
  for (uint32_t m = 0; m < kInputs; ++m)
    t.quantise_row(inputs.data() + size_t{m} * kCols, 0, kCols, m, x);
  Digest digest;
  for (const QuantTypeTraits& traits : types) {
    std::vector<std::byte> blocks(kRows * RowBytes(traits.type, kCols));
    // Bytes whose floats are normal numbers, as scales and as values.
    for (size_t i = 0; i < blocks.size(); ++i)
      blocks[i] = static_cast<std::byte>(40 + (i * 37 + i / 251) % 19);
    const GuardedMemory packed(t.packed_bytes(traits.type, kRows, kCols));
    t.pack(traits.type, kRows, kCols, blocks.data(), nullptr, 0, 2, packed.data());
    const PackedMatrix matrix = {traits.type, kRows, kCols, packed.data()};
    for (const uint32_t rows : {1u, 3u, 8u, kInputs}) {
      std::vector<float> out(size_t{rows} * kRows);
      t.matmul(matrix, x, 0, rows, 0, 2, out.data(), kRows);
      digest.Add(out);
    }
    std::vector<float> row(kCols);
    t.unpack_row(matrix, 45, row.data());
    digest.Add(row);
  }
  return digest.Value();
}

// The records are as old as the types: a new type is a new record.
constexpr size_t kFirstTableType = static_cast<size_t>(QuantType::kMxfp4);
uint64_t Products(const KernelTable& t) {
  return ProductsOf(t, AllQuantTypes().first(kFirstTableType));
}
uint64_t TableProducts(const KernelTable& t) {
  return ProductsOf(t, AllQuantTypes().subspan(kFirstTableType, 3));
}
uint64_t SmallProducts(const KernelTable& t) {
  return ProductsOf(t, AllQuantTypes().subspan(kFirstTableType + 3, 2));
}
// Built without codebooks these types have zeros: ExpectRecordedBits leaves them out.
uint64_t EntryProducts(const KernelTable& t) {
  return ProductsOf(t, AllQuantTypes().subspan(kFirstTableType + 5, 5));
}
uint64_t TinyProducts(const KernelTable& t) {
  return ProductsOf(t, AllQuantTypes().subspan(kFirstTableType + 10, 5));
}

struct Record {
  const char* name;
  uint64_t (*run)(const KernelTable& table);
  uint64_t generic;
  uint64_t vectors;
};

constexpr Record kRecords[] = {
    {"rms_norm", RmsNorm, 0x647992c49008827fu, 0xf41a53e64a69198au},
    {"add", Add, 0x08575b5a6dfe5d4eu, 0x08575b5a6dfe5d4eu},
    {"rope", Rope, 0xc3785e047a904218u, 0x058f588c15d91fe4u},
    {"swiglu", Swiglu, 0x8e12f13aae873bbdu, 0x8695f45202e94565u},
    {"geglu", Geglu, 0x3fb60c216cb4ebc7u, 0x9823d9b9acc5f89du},
    {"scale", Scale, 0x790234ff5ce53accu, 0x790234ff5ce53accu},
    {"sampling", Sampling, 0xb5ffe6759dfad64bu, 0xe3bf016a539cda78u},
    {"quantise", Quantise, 0xad714d6ff043907bu, 0xad714d6ff043907bu},
    {"attention_f16", AttentionF16, 0x7d559e646f84b0f2u, 0x6487d639f8b4486cu},
    {"attention_int8", AttentionInt8, 0x6a4a837731b1c174u, 0xa00d5c85d7e223d8u},
    {"products", Products, 0x873df9e71451a38fu, 0xf9114ecc8c690aa7u},
    {"table products", TableProducts, 0xfc18ba4a6b17b96u, 0x864c0ef8617ec70du},
    {"small products", SmallProducts, 0x2e44419541b22e3eu, 0x6da850afc095bd9bu},
    {"entry products", EntryProducts, 0x2bcc5384c7d0015eu, 0x2c9146fcf7c1d1ceu},
    {"tiny products", TinyProducts, 0xfcb13a7b9a016de9u, 0xb44fa1e722295f2u},
};

void ExpectRecordedBits(const KernelTable* table) {
  if (table == nullptr) GTEST_SKIP() << "not on this CPU";
  for (const Record& record : kRecords) {
    if (record.run == EntryProducts && !IsAvailable(QuantType::kIq3S)) continue;
    const uint64_t expected = table->isa == Isa::kGeneric ? record.generic : record.vectors;
    EXPECT_EQ(record.run(*table), expected) << record.name;
  }
}

TEST(RecordedBits, AreThoseOfTheGenericKernels) {
  ExpectRecordedBits(FindKernels(Isa::kGeneric));
}
TEST(RecordedBits, AreThoseOfAvx2) {
  ExpectRecordedBits(FindKernels(Isa::kAvx2));
}
TEST(RecordedBits, AreThoseOfAvx512) {
  ExpectRecordedBits(FindKernels(Isa::kAvx512Vnni));
}
TEST(RecordedBits, AreThoseOfAmx) {
  ExpectRecordedBits(FindKernels(Isa::kAmx));
}
TEST(RecordedBits, AreThoseOfEmulatedAvx512) {
  ExpectRecordedBits(EmulatedAvx512());
}
TEST(RecordedBits, AreThoseOfEmulatedAmx) {
  ExpectRecordedBits(EmulatedAmx());
}

}  // namespace
}  // namespace infe::kernels
