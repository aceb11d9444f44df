#include "kernels/generic/generic.h"

namespace infe::kernels::generic {

const KernelTable& Table() {
  static constexpr KernelTable table = {
      .isa = Isa::kGeneric,
      .packed_bytes = PackedBytes,
      .pack = Pack,
      .unpack_row = UnpackRow,
      .quantise_row = QuantiseRow,
      .matmul = Matmul,
      .matvec_rows = MatvecRows,
      .rms_norm = RmsNorm,
      .layer_norm = LayerNorm,
      .add = Add,
      .rope = Rope,
      .swiglu = Swiglu,
      .geglu = Geglu,
      .gelu = Gelu,
      .scale = Scale,
      .sigmoid = Sigmoid,
      .softcap = Softcap,
      .recur = Recur,
      .kv_tile_bytes = KvTileBytes,
      .kv_write = KvWrite,
      .attention_scratch_floats = AttentionScratchFloats,
      .attention = Attention,
      .attention_partial_floats = AttentionPartialFloats,
      .attention_span = AttentionSpan,
      .attention_merge = AttentionMerge,
      .max_index = MaxIndex,
      .exp_sum = ExpSum,
  };
  return table;
}

}  // namespace infe::kernels::generic
