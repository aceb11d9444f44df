// The kernels of one instruction set, as one table of plain functions. SelectKernels asks the CPU
// once; nothing above baseline x86-64 is executed before that. Every entry obeys the rules of batch
// invariance (docs/batch-invariance.md): the bits of an output row depend on its own input row, the
// weights and the ISA, never on M, the other rows, the chunking or the number of threads.
//
// Functions do part of a job (some stripes, some rows), single-threaded; model/ spreads the parts
// over the thread pool. Pointers of one call do not alias unless the comment says so. No call reads
// or writes past the ranges given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/activations.h"
#include "kernels/packed_matrix.h"

namespace infe::kernels {

// kAmx: kAvx512Vnni with AMX-INT8 tiles for products of many rows; the same bits.
enum class Isa : uint8_t { kGeneric, kAvx2, kAvx512Vnni, kAmx };
std::string_view Name(Isa isa);

enum class KvType : uint8_t { kF16, kInt8 };

// KV memory is tiled: one tile holds kKvTilePositions consecutive positions of one KV head of one
// layer, keys then values, in a layout private to the ISA's kernels.
inline constexpr uint32_t kKvTilePositions = 32;

// Attention sums over spans of this many absolute positions, each span from scratch, and merges the
// spans in ascending order: always, so that a long context may be shared out between threads
// without moving a bit.
inline constexpr uint32_t kAttentionSpan = 512;

// One query block of attention: `rows` query tokens of one sequence at consecutive positions
// starting at `position`, all `group` query heads that share one KV head.
struct AttentionArgs {
  const float* q = nullptr;  // [rows][group][head_dim], row stride q_stride floats; RoPE applied
  size_t q_stride = 0;
  float* out = nullptr;  // [rows][group][head_dim], row stride out_stride floats
  size_t out_stride = 0;
  uint32_t rows = 0;
  uint32_t group = 0;
  uint32_t head_dim = 0;
  uint32_t position = 0;  // absolute position of the first query row; row r sees keys 0..position+r
  uint32_t window = 0;    // 0: all; else row at p sees keys p-window+1..p only
  // > 0: rows see both sides of a text of so many positions, all of it; with a window, row at p
  // sees keys p-window/2..p+window/2 of it.
  uint32_t length = 0;
  float scale = 0;  // multiplies q.k
  // A score x becomes cap * tanh(x / cap) before anything else is done to it; 0: it stays. Gemma
  // Team 2024.
  float softcap = 0;
  // One more score for each head of the group, of a key that has no value: [group]; null: none.
  // Xiao et al. 2023.
  const float* sinks = nullptr;
  // tiles[i] holds positions 32*i .. 32*i+31 of this layer and KV head; entries wholly outside
  // every row's window may be null and are not read.
  const std::byte* const* tiles = nullptr;
  // Scratch of attention_scratch_floats() floats, 64-byte aligned, private to the calling thread.
  float* scratch = nullptr;
};

// How a running state takes up a token's key and value:
//   kSum    S = decay S + k (rate v)^T                  Dao & Gu 2024
//   kDelta  S = decay S + k (rate (v - decay S^T k))^T  Yang et al. 2024
// and what it answers to a query: S^T q.
enum class Recurrence : uint8_t { kSum, kDelta };

// Consecutive tokens of one sequence through the state of one head.
struct RecurrenceArgs {
  float* state =
      nullptr;  // keys * values floats, in a layout private to the ISA's kernels; in place
  uint32_t keys = 0;
  uint32_t values = 0;
  uint32_t tokens = 0;
  // Of token t, t strides on: [keys], [keys], [values]; a decay and a rate; out [values].
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  size_t stride = 0;  // of q, k and v
  const float* decay = nullptr;
  const float* rate = nullptr;
  size_t gate_stride = 0;  // of decay and rate
  float* out = nullptr;
  size_t out_stride = 0;
};

struct KernelTable {
  Isa isa;

  // ---- weights ----
  size_t (*packed_bytes)(QuantType type, uint32_t rows, uint32_t cols);
  // Packs stripes [stripe_begin, stripe_end) of a GGUF matrix whose rows are contiguous at
  // `source`. row_order, if not null, gives for each packed row the source row it comes from.
  void (*pack)(QuantType type, uint32_t rows, uint32_t cols, const std::byte* source,
               const uint32_t* row_order, uint32_t stripe_begin, uint32_t stripe_end,
               std::byte* packed);
  // One row back as f32 [cols]: the embedding look-up of a tied head, and the test of packing.
  void (*unpack_row)(const PackedMatrix& matrix, uint32_t row, float* out);

  // ---- activations ----
  // Quantises cols [col_begin, col_end) (multiples of 32) of one row; x is the whole row [cols].
  // The same bits on every ISA.
  void (*quantise_row)(const float* x, uint32_t col_begin, uint32_t col_end, uint32_t row,
                       const Activations& out);

  // ---- products ----
  // out[m][n] for activation rows [row_begin, row_end) and the outputs of stripes
  // [stripe_begin, stripe_end): element (m, n) goes to out[(m - row_begin) * out_stride +
  // (n - 32 * stripe_begin)]. Whole stripes are written: out has room for padding rows, which get
  // 0.
  void (*matmul)(const PackedMatrix& matrix, const Activations& x, uint32_t row_begin,
                 uint32_t row_end, uint32_t stripe_begin, uint32_t stripe_end, float* out,
                 size_t out_stride);
  // The products of single output rows (allowed tokens under a grammar): out[i] = row rows[i] of
  // the matrix times activation row m. Same bits as matmul.
  void (*matvec_rows)(const PackedMatrix& matrix, const Activations& x, uint32_t m,
                      const uint32_t* rows, uint32_t count, float* out);

  // ---- element-wise ----
  // out = x / sqrt(mean(x^2) + eps) * weight. out may be x. Zhang & Sennrich 2019.
  void (*rms_norm)(const float* x, const float* weight, float eps, uint32_t n, float* out);
  // out = (x - mean) / sqrt(mean((x - mean)^2) + eps) * weight + bias. out may be x. Ba et al.
  // 2016.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, uint32_t n,
                     float* out);
  // y += x.
  void (*add)(float* y, const float* x, uint32_t n);
  // Rotates one head in place, pairs (i, i + n/2) ("neox"); cos_sin is [n/2] cosines then [n/2]
  // sines of this position. Su et al. 2021. (Interleaved pairings are permuted away when packing.)
  void (*rope)(float* head, const float* cos_sin, uint32_t n);
  void (*swiglu)(const float* gate, const float* up, uint32_t n, float* out);  // silu(gate) * up
  void (*geglu)(const float* gate, const float* up, uint32_t n,
                float* out);  // tanh-gelu(gate) * up
  // x * the standard normal distribution's share below x, within 2e-7 * |x|. out may be x.
  // Hendrycks & Gimpel 2016.
  void (*gelu)(const float* x, uint32_t n, float* out);
  void (*scale)(float* x, float factor, uint32_t n);
  void (*sigmoid)(float* x, uint32_t n);             // x = 1 / (1 + e^-x)
  void (*softcap)(float* x, float cap, uint32_t n);  // x = cap * tanh(x / cap)
  void (*recur)(Recurrence kind, const RecurrenceArgs& args);

  // ---- attention ----
  size_t (*kv_tile_bytes)(KvType type, uint32_t head_dim);
  // Writes the key and value of one position (slot 0..31 of its tile).
  void (*kv_write)(KvType type, std::byte* tile, uint32_t slot, const float* k, const float* v,
                   uint32_t head_dim);
  size_t (*attention_scratch_floats)(uint32_t rows, uint32_t group, uint32_t head_dim);
  // Softmax attention of one query block over all of its spans. Equal, bit for bit, to
  // attention_span of every span that some row sees followed by attention_merge.
  void (*attention)(KvType type, const AttentionArgs& args);
  // For long contexts: one span, positions [kAttentionSpan * span, kAttentionSpan * (span + 1)),
  // into `partial` [attention_partial_floats(rows, group, head_dim)] (64-byte aligned); and the
  // merge of `count` partials of consecutive spans, `partial_stride` floats apart, into args.out.
  // attention_span uses args.scratch, not args.out; attention_merge needs only out, sinks and the
  // shape.
  size_t (*attention_partial_floats)(uint32_t rows, uint32_t group, uint32_t head_dim);
  void (*attention_span)(KvType type, const AttentionArgs& args, uint32_t span, float* partial);
  void (*attention_merge)(const AttentionArgs& args, const float* partials, uint32_t count,
                          size_t partial_stride);

  // ---- sampling ----
  // max(x); index of the first maximum in *index. What is no number never wins: -infinity and 0 if
  // nothing else is there.
  float (*max_index)(const float* x, uint32_t n, uint32_t* index);
  // sum over i in order of fixed spans of exp((x[i] - shift) * factor).
  double (*exp_sum)(const float* x, float shift, float factor, uint32_t n);
};

// The best table for this CPU, or the one named by INFE_ISA (generic, avx2, avx512, amx) if the CPU
// can run it; an unusable or unknown name is ignored with a message on stderr.
const KernelTable& SelectKernels();
// A given table; null if this build or CPU lacks it.
const KernelTable* FindKernels(Isa isa);

}  // namespace infe::kernels
