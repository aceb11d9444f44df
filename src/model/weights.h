// The weights of one model, packed for the kernels' ISA: matrices in panels, vectors as f32. Built
// once by LoadWeights, then const: the parts point into them. Nothing refers to the GGUF file
// afterwards.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "model/gguf.h"
#include "model/packed_file.h"
#include "model/tensor_plan.h"

namespace infe::model {

struct Weights {
  HugeBuffer packed;  // the panels
  HugeBuffer rows;    // tables that are looked up by row, as the file has them
  // Where the panels should be kept for the next start, and under which digest; empty if they are.
  std::string packed_path;
  Sha256Digest packed_digest{};
  std::vector<float> floats;  // the vectors
};

// Loads all that the plan was asked for: packs on the pool, or reads the panels from the packed
// side file if there is one of these bytes; then points everything to its data. kResourceExhausted
// if memory cannot hold it, kIo if the file is cut or changed meanwhile.
Result<Weights> LoadWeights(const GgufFile& file, TensorPlan& plan, ThreadPool& pool,
                            const kernels::KernelTable& kernels, const PackedCache& cache,
                            const std::function<void(double fraction)>& on_progress);

}  // namespace infe::model
