#include "cli/bench_probes.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

namespace infe::cli {
namespace {

constexpr size_t kReadBytes = size_t{256} << 20;
constexpr uint32_t kRows = 64, kCols = 2048;
constexpr uint32_t kStripes = 64;  // 2048 outputs, 2.4 MB of weights: the products, not the reading
constexpr int kReadPasses = 4, kMatmulPasses = 16;

double SecondsOf(ThreadPool& pool, const std::function<void(Worker&)>& body) {
  const auto start = std::chrono::steady_clock::now();
  pool.Run(body);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Four sums, so that the additions never wait for each other.
uint64_t SumOf(const uint64_t* words, size_t count) {
  uint64_t a = 0, b = 0, c = 0, d = 0;
  for (size_t i = 0; i + 8 <= count; i += 8) {
    __builtin_prefetch(words + i + 512);  // 4 KiB ahead, as the kernels do
    a += words[i] + words[i + 1], b += words[i + 2] + words[i + 3];
    c += words[i + 4] + words[i + 5], d += words[i + 6] + words[i + 7];
  }
  return a + b + c + d;
}

}  // namespace

BenchProbes::BenchProbes(ThreadPool& pool, const kernels::KernelTable& kernels)
    : pool_(pool), kernels_(kernels), read_(kReadBytes) {
  std::memset(read_.data(), 1, read_.size());
  constexpr auto kType = kernels::QuantType::kQ4_0;
  const size_t stripe_bytes = kernels.packed_bytes(kType, kernels::kStripeRows, kCols);
  packed_ = HugeBuffer(stripe_bytes * kStripes);
  // Arbitrary finite blocks, one stripe copied to all: the time does not depend on the values.
  std::vector<std::byte> source(kernels::RowBytes(kType, size_t{kernels::kStripeRows} * kCols));
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 37 % 59);
  kernels.pack(kType, kernels::kStripeRows, kCols, source.data(), nullptr, 0, 1, packed_.data());
  for (uint32_t s = 1; s < kStripes; ++s)
    std::memcpy(packed_.data() + s * stripe_bytes, packed_.data(), stripe_bytes);
  matrix_ = {kType, kStripes * kernels::kStripeRows, kCols, packed_.data()};

  activations_memory_ = HugeBuffer(kernels::ActivationsBytes(kRows, kCols));
  activations_ = kernels::MakeActivations(activations_memory_.data(), kRows, kCols, nullptr);
  std::vector<float> row(kCols);
  for (uint32_t m = 0; m < kRows; ++m) {
    for (uint32_t i = 0; i < kCols; ++i)
      row[i] = static_cast<float>((i + m) * 7919 % 1000) - 500.0f;
    kernels.quantise_row(row.data(), 0, kCols, m, activations_);
  }
  out_ = HugeBuffer(size_t{kRows} * matrix_.rows * sizeof(float));
}

double BenchProbes::ReadGigabytesPerSecond() {
  const auto* words = reinterpret_cast<const uint64_t*>(read_.data());
  std::atomic<uint64_t> sink{0};  // keeps the reads alive
  double best = 1e9;
  for (int pass = 0; pass < kReadPasses; ++pass) {
    best = std::min(best, SecondsOf(pool_, [&](Worker& w) {
                      const size_t part = kReadBytes / sizeof(uint64_t) / w.count();
                      sink += SumOf(words + part * w.index(), part);
                    }));
  }
  return static_cast<double>(kReadBytes) / best / 1e9;
}

double BenchProbes::MatmulGigamacsPerSecond() {
  double best = 1e9;
  for (int pass = 0; pass < kMatmulPasses; ++pass) {
    best = std::min(best, SecondsOf(pool_, [&](Worker& w) {
                      const uint32_t end = kStripes * (w.index() + 1) / w.count();
                      for (uint32_t s = kStripes * w.index() / w.count(); s < end; ++s)
                        kernels_.matmul(matrix_, activations_, 0, kRows, s, s + 1,
                                        reinterpret_cast<float*>(out_.data()) +
                                            size_t{s} * kernels::kStripeRows,
                                        matrix_.rows);
                    }));
  }
  return double{kRows} * kCols * matrix_.rows / best / 1e9;
}

}  // namespace infe::cli
