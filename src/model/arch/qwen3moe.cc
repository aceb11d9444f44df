// Qwen3 with experts in every layer: Qwen3's attention, a softmax router whose chosen weights are
// normalised, no shared expert. Yang et al. 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadQwen3MoeConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "qwen3moe", {.experts = true}));
  for (LayerConfig& layer : config.layers) {
    AttentionOf(layer).qk_norm = true;
    if (auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward)) moe->normalise = true;
  }
  return config;
}

}  // namespace infe::model
