// Memory of one Forward, taken once at load for the largest batch: shared buffers and a private set
// per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/memory.h"
#include "kernels/table.h"
#include "model/logit_summary.h"
#include "model/model_config.h"

namespace infe::model {

// Up to this many rows every thread normalises and quantises all rows for itself rather than wait
// at a barrier for the others' share. The bits are the same.
inline constexpr uint32_t kPrivateNormRowsMax = 6;
// Rows of one product call: many, because each call unpacks its weights (a tenth of the time at 128
// rows of 576 columns with AMX), as long as their s8 values, and nearly as much that AVX2 reads
// beside them, stay in a second-level cache of 512 KiB from stripe to stripe; and at least a few.
inline constexpr uint32_t kTileRowsMin = 128;
inline constexpr uint32_t kTileRowsMax = 256;
inline constexpr uint32_t kTileInputBytes = 192 * 1024;
// Floats of one product's output: 128 KiB, half of which is L1-resident on its way to the epilogue.
inline constexpr uint32_t kTileFloats = 32 * 1024;

struct ScratchShape {
  uint32_t rows_max = 0;
  uint32_t logits_rows_max = 0;
  uint32_t threads = 0;
  uint32_t query_rows_max = 0;  // of an attention unit
  uint32_t rope_tables = 0;
  size_t partial_floats = 0;  // of attention
  bool any_float = false;     // some weights read f32 activations
};

// Private to one thread.
struct ThreadScratch {
  float* row = nullptr;                   // [max width]: a normalised row
  float* normed = nullptr;                // [kPrivateNormRowsMax][embedding], null unless any_float
  std::byte* norm_activations = nullptr;  // kPrivateNormRowsMax x embedding
  float* tile_a = nullptr;  // [kTileFloats] or one unit of a product, whichever is larger
  float* tile_b = nullptr;
  float* attention = nullptr;
  float* span = nullptr;                // [kLogitSpan]: logits as a mask leaves them
  std::vector<const std::byte*> tiles;  // of one attention unit: [context / 32]
};

// R: rows_max rows, L: logits rows.
struct Scratch {
  Scratch(const ModelConfig& config, const kernels::KernelTable& kernels,
          const ScratchShape& shape);

  float* x[2];         // [R][embedding] residual stream; the second for families with post-norms
  float* x_wanted[2];  // [L][embedding] the same after the unwanted rows are dropped
  float* delta;        // [R][embedding] a layer's output before its post-norm
  float* q;            // [R][heads * head_dim]
  float* attended;     // [R][heads * head_dim]
  float* normed;       // [R][embedding], only if any_float
  float* hidden;       // [R][feed_forward], only if any_float
  std::byte* norm_activations;          // R x embedding
  std::byte* attended_activations;      // R x (heads * head_dim)
  std::byte* hidden_activations;        // R x feed_forward
  float* rope;                          // [rope_tables][R][head_dim]
  float* partials;                      // attention
  float* logits;                        // [L][logits_stride]
  size_t logits_stride = 0;             // vocabulary rounded up to a stripe
  std::vector<LogitSummary> summaries;  // [L][LogitSpans(vocabulary)]
  std::vector<ThreadScratch> threads;

 private:
  std::vector<HugeBuffer> buffers_;
};

}  // namespace infe::model
