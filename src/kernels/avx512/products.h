// The AVX-512 VNNI products (table.h) on panels of 16 lanes, for the quantised types. Float types
// have the layout of AVX2 and use its products. AmxMatmul: the same bits, many rows by AMX tiles.
#pragma once

#include "kernels/activations.h"
#include "kernels/packed_matrix.h"

namespace infe::kernels {

namespace avx512 {
void Matmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
            uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride);
void MatvecRows(const PackedMatrix& w, const Activations& x, uint32_t m, const uint32_t* rows,
                uint32_t count, float* out);
void AmxMatmul(const PackedMatrix& w, const Activations& x, uint32_t row_begin, uint32_t row_end,
               uint32_t stripe_begin, uint32_t stripe_end, float* out, size_t out_stride);
}  // namespace avx512

}  // namespace infe::kernels
