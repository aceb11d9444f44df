// Compiles the AVX-512 and AMX products once more over emulated instructions, so that machines
// without them test them too. Holds no tests itself: products_test.cc walks the types over it.
// Without SIMDe's headers there is nothing to compile and the table is null. So it is under
// sanitizers, which make this file take minutes; inaccessible pages around every buffer do their
// work here.
#if __has_include(<simde/x86/avx512.h>) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#pragma GCC optimize("O1")
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC target("avx2,fma,f16c,bmi,bmi2")
#define INFE_EMULATE_AVX512
#include "kernels/avx512/amx_products.cc"
#include "kernels/avx512/products.cc"

namespace infe::kernels {
bool HaveEmulatedAvx512() {
  return true;
}
}  // namespace infe::kernels
#else
#include "kernels/avx512/products.h"

namespace infe::kernels {
bool HaveEmulatedAvx512() {
  return false;
}
namespace avx512_emulated {
void Matmul(const PackedMatrix&, const Activations&, uint32_t, uint32_t, uint32_t, uint32_t, float*,
            size_t) {}
void MatvecRows(const PackedMatrix&, const Activations&, uint32_t, const uint32_t*, uint32_t,
                float*) {}
void AmxMatmul(const PackedMatrix&, const Activations&, uint32_t, uint32_t, uint32_t, uint32_t,
               float*, size_t) {}
}  // namespace avx512_emulated
}  // namespace infe::kernels
#endif
