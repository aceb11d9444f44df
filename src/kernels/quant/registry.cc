// The one list of types, in the order of QuantType.
#include "base/check.h"
#include "kernels/quant/bf16.h"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/f16.h"
#include "kernels/quant/f32.h"
#include "kernels/quant/iq2_s.h"
#include "kernels/quant/iq2_xs.h"
#include "kernels/quant/iq2_xxs.h"
#include "kernels/quant/iq3_s.h"
#include "kernels/quant/iq3_xxs.h"
#include "kernels/quant/iq4_nl.h"
#include "kernels/quant/iq4_xs.h"
#include "kernels/quant/mxfp4.h"
#include "kernels/quant/nvfp4.h"
#include "kernels/quant/q1_0.h"
#include "kernels/quant/q2_0.h"
#include "kernels/quant/q2_k.h"
#include "kernels/quant/q3_k.h"
#include "kernels/quant/q4_0.h"
#include "kernels/quant/q4_1.h"
#include "kernels/quant/q4_k.h"
#include "kernels/quant/q5_0.h"
#include "kernels/quant/q5_1.h"
#include "kernels/quant/q5_k.h"
#include "kernels/quant/q6_k.h"
#include "kernels/quant/q8_0.h"
#include "kernels/quant/tq1_0.h"
#include "kernels/quant/tq2_0.h"
#include "kernels/quant_type.h"

namespace infe::kernels {

std::span<const QuantTypeTraits> AllQuantTypes() {
  static const QuantTypeTraits types[] = {
      kF32Traits,   kF16Traits,   kBF16Traits,   kQ8_0Traits,  kQ4_0Traits,  kQ4_1Traits,
      kQ5_0Traits,  kQ5_1Traits,  kQ4_KTraits,   kQ5_KTraits,  kQ6_KTraits,  kMxfp4Traits,
      kIq4NlTraits, kIq4XsTraits, kQ3_KTraits,   kQ2_KTraits,  kIq3STraits,  kIq3XxsTraits,
      kIq2STraits,  kIq2XsTraits, kIq2XxsTraits, kTQ2_0Traits, kTQ1_0Traits, kQ1_0Traits,
      kQ2_0Traits,  kNvfp4Traits,
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

bool IsAvailable(QuantType type) {
  switch (type) {
    case QuantType::kIq3S:
    case QuantType::kIq3Xxs:
    case QuantType::kIq2S:
    case QuantType::kIq2Xs:
    case QuantType::kIq2Xxs:
      return kHaveCodebooks;
    case QuantType::kF32:
    case QuantType::kF16:
    case QuantType::kBF16:
    case QuantType::kQ8_0:
    case QuantType::kQ4_0:
    case QuantType::kQ4_1:
    case QuantType::kQ5_0:
    case QuantType::kQ5_1:
    case QuantType::kQ4_K:
    case QuantType::kQ5_K:
    case QuantType::kQ6_K:
    case QuantType::kMxfp4:
    case QuantType::kIq4Nl:
    case QuantType::kIq4Xs:
    case QuantType::kQ3_K:
    case QuantType::kQ2_K:
    case QuantType::kTQ2_0:
    case QuantType::kTQ1_0:
    case QuantType::kQ1_0:
    case QuantType::kQ2_0:
    case QuantType::kNvfp4:
      return true;
  }
  return false;
}

size_t RowBytes(QuantType type, size_t values) {
  const QuantTypeTraits& traits = Traits(type);
  return values / traits.block_values * traits.block_bytes;
}

}  // namespace infe::kernels
