// The table of the AVX2 kernels. Baseline code: it only takes their addresses.
#include "kernels/avx2/attention.h"
#include "kernels/avx2/elementwise.h"
#include "kernels/avx2/products.h"
#include "kernels/avx2/recurrence.h"
#include "kernels/isa_tables.h"
#include "kernels/panels/pack.h"

namespace infe::kernels {

const KernelTable& Avx2Table() {
  static constexpr KernelTable table = {
      .isa = Isa::kAvx2,
      .packed_bytes = panels::PackedBytes,
      .pack = panels::Pack<8>,
      .unpack_row = panels::UnpackRow<8>,
      .quantise_row = avx2::QuantiseRow,
      .matmul = avx2::Matmul,
      .matvec_rows = avx2::MatvecRows,
      .rms_norm = avx2::RmsNorm,
      .layer_norm = avx2::LayerNorm,
      .add = avx2::Add,
      .rope = avx2::Rope,
      .swiglu = avx2::Swiglu,
      .geglu = avx2::Geglu,
      .gelu = avx2::Gelu,
      .scale = avx2::Scale,
      .sigmoid = avx2::Sigmoid,
      .softcap = avx2::Softcap,
      .recur = avx2::Recur,
      .kv_tile_bytes = avx2::KvTileBytes,
      .kv_write = avx2::KvWrite,
      .attention_scratch_floats = avx2::AttentionScratchFloats,
      .attention = avx2::Attention,
      .attention_partial_floats = avx2::AttentionPartialFloats,
      .attention_span = avx2::AttentionSpan,
      .attention_merge = avx2::AttentionMerge,
      .max_index = avx2::MaxIndex,
      .exp_sum = avx2::ExpSum,
  };
  return table;
}

}  // namespace infe::kernels
