// The AVX2 products (table.h) on panels of 8 lanes.
#pragma once

#include "kernels/activations.h"
#include "kernels/packed_matrix.h"

namespace infe::kernels::avx2 {

void QuantiseRow(const float* x, uint32_t col_begin, uint32_t col_end, uint32_t row,
                 const Activations& out);
void Matmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
            uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride);
void MatvecRows(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                uint32_t count, float* out);

}  // namespace infe::kernels::avx2
