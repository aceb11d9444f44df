// How fast the products are: GMAC/s and GB/s of weights, per type, number of rows and threads.
//
//   kernels_bench [--types Q4_1,Q8_0] [--rows 1,2,4,8] [--cols 2048] [--mb 64] [--threads 1,2]
//                 [--repeats 25] [--isa avx2]
//
// Each number is the best of the repeats, in CPU time of the slowest thread: neighbours on the
// machine only ever slow it down, and time on their turn does not count. The matrix is larger than
// a cache by default; --mb 4 shows what a resident one gives. The first line is the read bandwidth
// of the same machine in the same minute. --attention 1 times attention instead.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <time.h>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "kernels/table.h"

namespace infe::kernels {
namespace {

// CPU time of the calling thread.
double Seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

double BestSeconds(ThreadPool& pool, int repeats, const std::function<void(Worker&)>& body) {
  double best = 1e9;
  for (int i = 0; i <= repeats; ++i) {
    double slowest[64] = {};
    pool.Run([&](Worker& w) {
      const double start = Seconds();
      body(w);
      slowest[w.index() % 64] = Seconds() - start;
    });
    if (i > 0) best = std::min(best, *std::max_element(slowest, slowest + 64));
  }
  return best;
}

struct Setup {
  const KernelTable& table;
  uint32_t cols;
  size_t megabytes;
  int repeats;
};

void BenchType(const Setup& setup, const QuantTypeTraits& traits,
               const std::vector<std::string>& rows_list, const std::vector<std::string>& threads) {
  const uint32_t cols = setup.cols;
  const size_t stripe_bytes = setup.table.packed_bytes(traits.type, kStripeRows, cols);
  const auto stripes =
      static_cast<uint32_t>(std::max<size_t>(8, setup.megabytes * 1'000'000 / stripe_bytes));
  const uint32_t n = stripes * kStripeRows;
  HugeBuffer packed(stripe_bytes * stripes);
  {
    // One stripe of arbitrary blocks, copied. Bytes whose floats are normal: sums of denormals take
    // a hundred cycles each on some CPUs, otherwise the time does not depend on the values.
    std::vector<std::byte> source(RowBytes(traits.type, size_t{kStripeRows} * cols));
    for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(40 + i * 37 % 19);
    setup.table.pack(traits.type, kStripeRows, cols, source.data(), nullptr, 0, 1, packed.data());
    for (uint32_t s = 1; s < stripes; ++s)
      std::memcpy(packed.data() + s * stripe_bytes, packed.data(), stripe_bytes);
  }
  const PackedMatrix matrix = {traits.type, n, cols, packed.data()};
  for (const std::string& rows_text : rows_list) {
    const auto rows = static_cast<uint32_t>(std::atoi(rows_text.c_str()));
    std::vector<float> x(size_t{rows} * cols);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1000) - 500.0f;
    HugeBuffer memory(ActivationsBytes(rows, cols));
    const Activations a = MakeActivations(memory.data(), rows, cols, x.data());
    for (uint32_t m = 0; m < rows; ++m)
      setup.table.quantise_row(x.data() + size_t{m} * cols, 0, cols, m, a);
    HugeBuffer out(size_t{rows} * n * sizeof(float));
    fmt::print("{:5} M {:4}", traits.name, rows);
    for (const std::string& count : threads) {
      ThreadPool pool(static_cast<uint32_t>(std::atoi(count.c_str())));
      // Enough of the matrix for a few milliseconds a repeat.
      const double macs_per_stripe = double{kStripeRows} * cols * rows;
      const auto used =
          static_cast<uint32_t>(std::clamp(1e9 / macs_per_stripe, 8.0, double(stripes)));
      const double best = BestSeconds(pool, setup.repeats, [&](Worker& w) {
        const uint32_t begin = used * w.index() / w.count();
        const uint32_t end = used * (w.index() + 1) / w.count();
        for (uint32_t s = begin; s < end; ++s)
          setup.table.matmul(matrix, a, 0, rows, s, s + 1,
                             reinterpret_cast<float*>(out.data()) + size_t{s} * kStripeRows, n);
      });
      fmt::print("  | {} threads {:6.1f} GMAC/s {:5.1f} GB/s", count,
                 macs_per_stripe * used / best / 1e9, double(stripe_bytes) * used / best / 1e9);
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
}

void BenchRead(const std::vector<std::string>& threads) {
  HugeBuffer memory(256u << 20);
  std::memset(memory.data(), 1, memory.size());
  const auto* words = reinterpret_cast<const uint64_t*>(memory.data());
  for (const std::string& count : threads) {
    ThreadPool pool(static_cast<uint32_t>(std::atoi(count.c_str())));
    std::vector<uint64_t> sums(64);
    const double best = BestSeconds(pool, 5, [&](Worker& w) {
      const size_t part = memory.size() / 8 / w.count();
      const uint64_t* at = words + part * w.index();
      uint64_t a = 0, b = 0, c = 0, d = 0;
      for (size_t i = 0; i + 8 <= part; i += 8) {
        __builtin_prefetch(at + i + 512);
        a += at[i] + at[i + 1], b += at[i + 2] + at[i + 3];
        c += at[i + 4] + at[i + 5], d += at[i + 6] + at[i + 7];
      }
      sums[8 * w.index()] = a + b + c + d;
    });
    fmt::print("read bandwidth, {} threads: {:.1f} GB/s\n", count,
               double(memory.size()) / best / 1e9);
  }
}

// Attention of one KV head over `depth` positions: decode (one row) and a prefill chunk.
void BenchAttention(const KernelTable& table, int repeats) {
  struct Shape {
    uint32_t head_dim, group, rows;
  };
  for (const KvType type : {KvType::kF16, KvType::kInt8}) {
    for (const Shape s : {Shape{64, 3, 1},
                          {64, 7, 1},
                          {256, 4, 1},
                          {64, 3, 8},
                          {64, 3, 32},
                          {64, 7, 16},
                          {256, 4, 16}}) {
      constexpr uint32_t kDepth = 2048;
      // Many heads, so that decode reads from memory.
      const uint32_t heads = s.rows == 1 ? 128 * 64 / s.head_dim : 2;
      const size_t tile_bytes = table.kv_tile_bytes(type, s.head_dim);
      HugeBuffer memory(tile_bytes * (kDepth / kKvTilePositions) * heads);
      std::vector<float> row(size_t{s.head_dim} * s.group * s.rows, 0.1f);
      std::vector<const std::byte*> tiles;
      for (uint32_t t = 0; t < kDepth / kKvTilePositions * heads; ++t) {
        tiles.push_back(memory.data() + t * tile_bytes);
        for (uint32_t slot = 0; slot < kKvTilePositions; ++slot)
          table.kv_write(type, memory.data() + t * tile_bytes, slot, row.data(), row.data(),
                         s.head_dim);
      }
      HugeBuffer scratch(4 * table.attention_scratch_floats(s.rows, s.group, s.head_dim));
      HugeBuffer out(4 * row.size());
      AttentionArgs args = {.q = row.data(),
                            .q_stride = size_t{s.group} * s.head_dim,
                            .out = reinterpret_cast<float*>(out.data()),
                            .out_stride = size_t{s.group} * s.head_dim,
                            .rows = s.rows,
                            .group = s.group,
                            .head_dim = s.head_dim,
                            .position = kDepth - s.rows,
                            .window = 0,
                            .scale = 0.125f,
                            .tiles = tiles.data(),
                            .scratch = reinterpret_cast<float*>(scratch.data())};
      ThreadPool pool(1);
      const double best = BestSeconds(pool, repeats, [&](Worker&) {
        for (uint32_t head = 0; head < heads; ++head) {
          args.tiles = tiles.data() + size_t{head} * (kDepth / kKvTilePositions);
          table.attention(type, args);
        }
      });
      const double macs = 2.0 * s.rows * s.group * s.head_dim * kDepth * heads;
      fmt::print("attention {} head_dim {:3} group {} rows {:2}: {:5.1f} GMAC/s {:5.1f} GB/s\n",
                 type == KvType::kF16 ? "f16 " : "int8", s.head_dim, s.group, s.rows,
                 macs / best / 1e9, static_cast<double>(memory.size()) / best / 1e9);
    }
  }
}

int Main(int argc, char** argv) {
  std::map<std::string, std::string> options = {
      {"--types", ""},      {"--rows", "1,2,3,4,6,8,12,16,32,64,512"},
      {"--cols", "2048"},   {"--mb", "64"},
      {"--threads", "1,2"}, {"--repeats", "25"},
      {"--isa", ""},        {"--attention", ""}};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!options.contains(argv[i])) {
      fmt::print(stderr, "unknown option {}\n", argv[i]);
      return 2;
    }
    options[argv[i]] = argv[i + 1];
  }
  const KernelTable* table = &SelectKernels();
  for (const Isa isa : {Isa::kGeneric, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kAmx})
    if (options["--isa"] == Name(isa)) table = FindKernels(isa);
  if (table == nullptr) {
    fmt::print(stderr, "this CPU cannot run {}\n", options["--isa"]);
    return 2;
  }
  fmt::print("isa {}\n", Name(table->isa));
  const std::vector<std::string> threads = Split(options["--threads"]);
  BenchRead(threads);
  if (!options["--attention"].empty()) {
    BenchAttention(*table, std::atoi(options["--repeats"].c_str()));
    return 0;
  }
  const Setup setup = {*table, static_cast<uint32_t>(std::atoi(options["--cols"].c_str())),
                       static_cast<size_t>(std::atoi(options["--mb"].c_str())),
                       std::atoi(options["--repeats"].c_str())};
  const std::vector<std::string> wanted = Split(options["--types"]);
  for (const QuantTypeTraits& traits : AllQuantTypes())
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), traits.name) != wanted.end())
      BenchType(setup, traits, Split(options["--rows"]), threads);
  return 0;
}

}  // namespace
}  // namespace infe::kernels

int main(int argc, char** argv) {
  return infe::kernels::Main(argc, argv);
}
