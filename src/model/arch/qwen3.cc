// Qwen3 (dense): no biases, an RMSNorm over each head of Q and K before RoPE, and a head size of
// its own. Yang et al. 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadQwen3Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "qwen3"));
  for (LayerConfig& layer : config.layers) AttentionOf(layer).qk_norm = true;
  return config;
}

}  // namespace infe::model
