// The one list of types, in the order of QuantType.
#include "base/check.h"
#include "kernels/quant/bf16.h"
#include "kernels/quant/f16.h"
#include "kernels/quant/f32.h"
#include "kernels/quant/iq4_nl.h"
#include "kernels/quant/iq4_xs.h"
#include "kernels/quant/mxfp4.h"
#include "kernels/quant/q4_0.h"
#include "kernels/quant/q4_1.h"
#include "kernels/quant/q4_k.h"
#include "kernels/quant/q5_0.h"
#include "kernels/quant/q5_1.h"
#include "kernels/quant/q5_k.h"
#include "kernels/quant/q6_k.h"
#include "kernels/quant/q8_0.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

std::span<const QuantTypeTraits> AllQuantTypes() {
  static const QuantTypeTraits types[] = {
      kF32Traits,  kF16Traits,  kBF16Traits, kQ8_0Traits, kQ4_0Traits,  kQ4_1Traits,  kQ5_0Traits,
      kQ5_1Traits, kQ4_KTraits, kQ5_KTraits, kQ6_KTraits, kMxfp4Traits, kIq4NlTraits, kIq4XsTraits,
  };
  return types;
}

const QuantTypeTraits& Traits(QuantType type) {
  const QuantTypeTraits& traits = AllQuantTypes()[static_cast<size_t>(type)];
  INFE_DCHECK(traits.type == type);
  return traits;
}

std::optional<QuantType> QuantTypeFromGguf(uint32_t gguf_id) {
  for (const QuantTypeTraits& traits : AllQuantTypes())
    if (traits.gguf_id == gguf_id) return traits.type;
  return std::nullopt;
}

size_t RowBytes(QuantType type, size_t values) {
  const QuantTypeTraits& traits = Traits(type);
  return values / traits.block_values * traits.block_bytes;
}

}  // namespace infe::kernels
