// The weights of one model, packed for the kernels' ISA: matrices in panels, vectors as f32. Built
// once by LoadWeights, then const. Nothing refers to the GGUF file afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "model/gguf.h"
#include "model/model_config.h"
#include "model/packed_file.h"

namespace infe::model {

// Vectors are null where the family has none.
struct LayerWeights {
  const float* attention_norm = nullptr;  // [embedding]
  kernels::PackedMatrix q;                // [heads * head_dim, embedding]
  kernels::PackedMatrix k;                // [kv_heads * head_dim, embedding]
  kernels::PackedMatrix v;
  const float* q_bias = nullptr;  // [heads * head_dim]
  const float* k_bias = nullptr;  // [kv_heads * head_dim]
  const float* v_bias = nullptr;
  const float* q_norm = nullptr;  // [head_dim]
  const float* k_norm = nullptr;
  kernels::PackedMatrix o;                     // [embedding, heads * head_dim]
  const float* post_attention_norm = nullptr;  // [embedding]
  const float* feed_forward_norm = nullptr;    // [embedding]
  kernels::PackedMatrix gate;                  // [feed_forward, embedding]
  kernels::PackedMatrix up;
  kernels::PackedMatrix down;                     // [embedding, feed_forward]
  const float* post_feed_forward_norm = nullptr;  // [embedding]
};

struct Weights {
  std::vector<LayerWeights> layers;
  const float* output_norm = nullptr;  // [embedding]
  kernels::PackedMatrix head;          // [vocabulary, embedding]
  std::vector<float> rope_factors;     // [head_dim / 2], or empty
  // Input embeddings: rows of `head` if it is tied, else the file's own blocks.
  kernels::QuantType embedding_type = kernels::QuantType::kF32;
  size_t embedding_row_bytes = 0;
  HugeBuffer embedding_rows;  // empty if tied
  bool any_float = false;     // some matrix reads unquantised activations

  HugeBuffer packed;  // owns the panels
  // Where the panels should be kept for the next start, and under which digest; empty if they are.
  std::string packed_path;
  Sha256Digest packed_digest{};
  std::vector<float> floats;  // owns the vectors

  // out: [cols of head] f32, row `token` of the input embedding, unscaled.
  void Embed(const kernels::KernelTable& kernels, uint32_t token, float* out) const;
};

// Checks that every tensor is there with the shape that config asks for and that no other one is,
// then packs on the pool, or reads the panels from the packed side file if there is one of these
// bytes. kCorrupt for a missing or misshapen tensor, kUnsupported for a type that infe does not
// compute or a tensor it does not know, kResourceExhausted if memory cannot hold it, kIo if the
// file is cut or changed meanwhile.
Result<Weights> LoadWeights(const GgufFile& file, const ModelConfig& config, ThreadPool& pool,
                            const kernels::KernelTable& kernels, const PackedCache& cache,
                            const std::function<void(double fraction)>& on_progress);

}  // namespace infe::model
