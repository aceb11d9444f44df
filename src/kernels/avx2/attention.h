// The AVX2 attention kernels (table.h) on the tiles of vec/attention-inl.h.
#pragma once

#include "kernels/table.h"

namespace infe::kernels::avx2 {

size_t KvTileBytes(KvType type, uint32_t head_dim);
void KvWrite(KvType type, std::byte* tile, uint32_t slot, const float* k, const float* v,
             uint32_t head_dim);
size_t AttentionScratchFloats(uint32_t rows, uint32_t group, uint32_t head_dim);
void Attention(KvType type, const AttentionArgs& args);
size_t AttentionPartialFloats(uint32_t rows, uint32_t group, uint32_t head_dim);
void AttentionSpan(KvType type, const AttentionArgs& args, uint32_t span, float* partial);
void AttentionMerge(const AttentionArgs& args, const float* partials, uint32_t count,
                    size_t partial_stride);

}  // namespace infe::kernels::avx2
