// The AVX-512 attention kernels (table.h): the tiles and, operation for operation, the bits of
// avx2/attention.h.
#pragma once

#include "kernels/table.h"

namespace infe::kernels::avx512 {

void Attention(KvType type, const AttentionArgs& args);
void AttentionSpan(KvType type, const AttentionArgs& args, uint32_t span, float* partial);

}  // namespace infe::kernels::avx512
