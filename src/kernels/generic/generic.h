// The generic kernels: plain C++ for any CPU, written to be read. They are the reference that the
// tests hold every other ISA against, so products sum in f64. Packed layout: the source's GGUF rows
// in packed order, padding rows zero; KV layout: [32][head_dim] keys, then values. Entries of
// KernelTable; table.h says what each does.
#pragma once

#include "kernels/table.h"

namespace infe::kernels::generic {

size_t PackedBytes(QuantType type, uint32_t rows, uint32_t cols);
void Pack(QuantType type, uint32_t rows, uint32_t cols, const std::byte* source,
          const uint32_t* row_order, uint32_t stripe_begin, uint32_t stripe_end, std::byte* packed);
void UnpackRow(const PackedMatrix& matrix, uint32_t row, float* out);

void QuantiseRow(const float* x, uint32_t col_begin, uint32_t col_end, uint32_t row,
                 const Activations& out);
void Matmul(const PackedMatrix& matrix, const Activations& x, uint32_t row_begin, uint32_t row_end,
            uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride);
void MatvecRows(const PackedMatrix& matrix, const Activations& x, uint32_t m, const uint32_t* rows,
                uint32_t count, float* out);

void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out);
void LayerNorm(const float* x, const float* weight, const float* bias, float eps, uint32_t n,
               float* out);
void Add(float* y, const float* x, uint32_t n);
void Rope(float* head, const float* cos_sin, uint32_t n);
void Swiglu(const float* gate, const float* up, uint32_t n, float* out);
void Gelu(const float* x, uint32_t n, float* out);
void Geglu(const float* gate, const float* up, uint32_t n, float* out);
void Scale(float* x, float factor, uint32_t n);
void Sigmoid(float* x, uint32_t n);
void Softcap(float* x, float cap, uint32_t n);
void Recur(Recurrence kind, const RecurrenceArgs& args);

size_t KvTileBytes(KvType type, uint32_t head_dim);
void KvWrite(KvType type, std::byte* tile, uint32_t slot, const float* k, const float* v,
             uint32_t head_dim);
size_t AttentionScratchFloats(uint32_t rows, uint32_t group, uint32_t head_dim);
void Attention(KvType type, const AttentionArgs& args);
size_t AttentionPartialFloats(uint32_t rows, uint32_t group, uint32_t head_dim);
void AttentionSpan(KvType type, const AttentionArgs& args, uint32_t span, float* partial);
void AttentionMerge(const AttentionArgs& args, const float* partials, uint32_t count,
                    size_t partial_stride);

float MaxIndex(const float* x, uint32_t n, uint32_t* index);
double ExpSum(const float* x, float shift, float factor, uint32_t n);

// The table of them all.
const KernelTable& Table();

}  // namespace infe::kernels::generic
