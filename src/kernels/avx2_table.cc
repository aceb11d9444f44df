// The table of the AVX2 kernels. Baseline code: it only takes their addresses.
#include "kernels/avx2/products.h"
#include "kernels/generic/generic.h"
#include "kernels/isa_tables.h"
#include "kernels/panels/pack.h"

namespace infe::kernels {

const KernelTable& Avx2Table() {
  static const KernelTable table = [] {
    KernelTable t = generic::Table();
    t.isa = Isa::kAvx2;
    t.packed_bytes = panels::PackedBytes;
    t.pack = panels::Pack<8>;
    t.unpack_row = panels::UnpackRow<8>;
    t.quantise_row = avx2::QuantiseRow;
    t.matmul = avx2::Matmul;
    t.matvec_rows = avx2::MatvecRows;
    return t;
  }();
  return table;
}

}  // namespace infe::kernels
