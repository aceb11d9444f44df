// Compiles the AVX-512 and AMX kernels once more over emulated instructions, so that machines
// without them test them too. Holds no tests itself: those of the kernels ask for its tables.
// Without SIMDe's headers there is nothing to compile and the tables are null. So they are under
// sanitizers, which make this file take minutes; inaccessible pages around every buffer do their
// work here.
#include "kernels/avx512/emulated_tables_test.h"

#if __has_include(<simde/x86/avx512.h>) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#pragma GCC optimize("O1")
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC target("avx2,fma,f16c,bmi,bmi2")
#define INFE_EMULATE_AVX512
#include "kernels/avx512/products.cc"
// Calls them.
#include "kernels/avx512/amx_products.cc"
#include "kernels/avx512/attention.cc"
#include "kernels/avx512/elementwise.cc"
#include "kernels/avx512/quantise.cc"
#include "kernels/panels/pack.h"

namespace infe::kernels {

const KernelTable* EmulatedAvx512() {
  if (FindKernels(Isa::kAvx2) == nullptr) return nullptr;
  static const KernelTable table = [] {
    namespace emulated = avx512_emulated;
    KernelTable t = *FindKernels(Isa::kAvx2);
    t.pack = panels::Pack<16>;
    t.unpack_row = panels::UnpackRow<16>;
    t.quantise_row = emulated::QuantiseRow;
    t.matmul = emulated::Matmul;
    t.matvec_rows = emulated::MatvecRows;
    t.rms_norm = emulated::RmsNorm;
    t.add = emulated::Add;
    t.rope = emulated::Rope;
    t.swiglu = emulated::Swiglu;
    t.geglu = emulated::Geglu;
    t.scale = emulated::Scale;
    t.attention = emulated::Attention;
    t.attention_span = emulated::AttentionSpan;
    return t;
  }();
  return &table;
}

const KernelTable* EmulatedAmx() {
  if (EmulatedAvx512() == nullptr) return nullptr;
  static const KernelTable table = [] {
    KernelTable t = *EmulatedAvx512();
    t.matmul = avx512_emulated::AmxMatmul;
    return t;
  }();
  return &table;
}

}  // namespace infe::kernels
#else
namespace infe::kernels {
const KernelTable* EmulatedAvx512() {
  return nullptr;
}
const KernelTable* EmulatedAmx() {
  return nullptr;
}
}  // namespace infe::kernels
#endif
