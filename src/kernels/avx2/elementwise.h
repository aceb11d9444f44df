// The AVX2 element-wise and sampling kernels (table.h). Any n; tails are masked.
#pragma once

#include <cstdint>

namespace infe::kernels::avx2 {

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
float MaxIndex(const float* x, uint32_t n, uint32_t* index);
double ExpSum(const float* x, float shift, float factor, uint32_t n);

}  // namespace infe::kernels::avx2
