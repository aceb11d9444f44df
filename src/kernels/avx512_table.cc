// The table of the AVX-512 VNNI kernels: its own products, attention and element-wise functions,
// everything else as on AVX2, which every such CPU has; and that of CPUs with AMX. Baseline code:
// it only takes addresses.
#include "kernels/avx512/attention.h"
#include "kernels/avx512/elementwise.h"
#include "kernels/avx512/products.h"
#include "kernels/isa_tables.h"
#include "kernels/panels/pack.h"

namespace infe::kernels {

const KernelTable& Avx512VnniTable() {
  static const KernelTable table = [] {
    KernelTable t = Avx2Table();
    t.isa = Isa::kAvx512Vnni;
    t.pack = panels::Pack<16>;
    t.unpack_row = panels::UnpackRow<16>;
    t.matmul = avx512::Matmul;
    t.matvec_rows = avx512::MatvecRows;
    t.quantise_row = avx512::QuantiseRow;
    t.rms_norm = avx512::RmsNorm;
    t.layer_norm = avx512::LayerNorm;
    t.add = avx512::Add;
    t.rope = avx512::Rope;
    t.swiglu = avx512::Swiglu;
    t.geglu = avx512::Geglu;
    t.gelu = avx512::Gelu;
    t.scale = avx512::Scale;
    t.sigmoid = avx512::Sigmoid;
    t.softcap = avx512::Softcap;
    t.attention = avx512::Attention;
    t.attention_span = avx512::AttentionSpan;
    return t;
  }();
  return table;
}

const KernelTable& AmxTable() {
  static const KernelTable table = [] {
    KernelTable t = Avx512VnniTable();
    t.isa = Isa::kAmx;
    t.matmul = avx512::AmxMatmul;
    return t;
  }();
  return table;
}

}  // namespace infe::kernels
