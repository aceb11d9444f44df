// Phi-3, Phi-3.5 and Phi-4-mini: Llama's layer with Q, K and V in one tensor, gate and up in
// another, rotation of a part of each head, and factors for long contexts. Abdin et al. 2024.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadPhi3Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config,
              ReadCommonConfig(file, "phi3", {.partial_rope = true, .rope_scalings = true}));
  INFE_ASSIGN(const uint64_t window, file.Unsigned("phi3.attention.sliding_window", 0));
  for (LayerConfig& layer : config.layers) {
    AttentionOf(layer).fused_qkv = true;
    DenseFfnOf(layer).fused_gate_up = true;
    // A window that holds the whole context is none.
    if (window < config.context_length) {
      AttentionOf(layer).window = static_cast<uint32_t>(window);
    }
  }
  return config;
}

}  // namespace infe::model
