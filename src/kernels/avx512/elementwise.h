// The element-wise functions and the quantisation of activations in AVX-512 (table.h), with the
// bits of AVX2's.
#pragma once

#include "kernels/activations.h"

namespace infe::kernels::avx512 {

void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out);
void LayerNorm(const float* x, const float* weight, const float* bias, float eps, uint32_t n,
               float* out);
void Add(float* y, const float* x, uint32_t n);
void Rope(float* head, const float* cos_sin, uint32_t n);
void Swiglu(const float* gate, const float* up, uint32_t n, float* out);
void Geglu(const float* gate, const float* up, uint32_t n, float* out);
void Gelu(const float* x, uint32_t n, float* out);
void Scale(float* x, float factor, uint32_t n);
void Sigmoid(float* x, uint32_t n);
void Softcap(float* x, float cap, uint32_t n);
void QuantiseRow(const float* x, uint32_t col_begin, uint32_t col_end, uint32_t row,
                 const Activations& out);

}  // namespace infe::kernels::avx512
