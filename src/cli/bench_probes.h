// What the machine can do at this moment, so that a model's speed can be read as a share of it: how
// fast all threads together read memory, and how fast the kernels' own matrix product runs on data
// that is already in cache.
#pragma once

#include <cstdint>
#include <memory>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "kernels/table.h"

namespace infe::cli {

class BenchProbes {
 public:
  // Both are borrowed. Takes about 300 MB and touches all of it.
  BenchProbes(ThreadPool& pool, const kernels::KernelTable& kernels);

  // GB/s that all threads read together, each its own part of 256 MB in huge pages (far beyond any
  // cache): the best of a few passes, about 50 ms in all.
  double ReadGigabytesPerSecond();
  // 10^9 multiply-adds per second of matmul, 64 rows, Q4_0, 2048 columns, all threads: the best of
  // a few passes, about 100 ms in all.
  double MatmulGigamacsPerSecond();

 private:
  ThreadPool& pool_;
  const kernels::KernelTable& kernels_;
  HugeBuffer read_;
  HugeBuffer packed_, activations_memory_, out_;
  kernels::PackedMatrix matrix_;
  kernels::Activations activations_;
};

}  // namespace infe::cli
