#include "kernels/avx512/elementwise.h"

// g++ 12 takes the deliberately undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "kernels/avx512/vec.h"
#include "kernels/vec/elementwise-inl.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {

void RmsNorm(const float* x, const float* weight, float eps, uint32_t n, float* out) {
  vec::RmsNorm<Vec>(x, weight, eps, n, out);
}
void LayerNorm(const float* x, const float* weight, const float* bias, float eps, uint32_t n,
               float* out) {
  vec::LayerNorm<Vec>(x, weight, bias, eps, n, out);
}
void Add(float* y, const float* x, uint32_t n) {
  vec::Add<Vec>(y, x, n);
}
void Rope(float* head, const float* cos_sin, uint32_t n) {
  vec::Rope<Vec>(head, cos_sin, n);
}
void Swiglu(const float* gate, const float* up, uint32_t n, float* out) {
  vec::Swiglu<Vec>(gate, up, n, out);
}
void Geglu(const float* gate, const float* up, uint32_t n, float* out) {
  vec::Geglu<Vec>(gate, up, n, out);
}
void Gelu(const float* x, uint32_t n, float* out) {
  vec::Gelu<Vec>(x, n, out);
}
void Scale(float* x, float factor, uint32_t n) {
  vec::Scale<Vec>(x, factor, n);
}
void Sigmoid(float* x, uint32_t n) {
  vec::Sigmoid<Vec>(x, n);
}
void Softcap(float* x, float cap, uint32_t n) {
  vec::Softcap<Vec>(x, cap, n);
}

}  // namespace infe::kernels::INFE_AVX512_NAMESPACE
