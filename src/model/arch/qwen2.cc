// Qwen2 and Qwen2.5 (dense): Llama's layer with biases on Q, K and V, RoPE over (i, i + n/2).
// Yang et al. 2024.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadQwen2Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "qwen2"));
  for (LayerConfig& layer : config.layers) AttentionOf(layer).qkv_bias = true;
  return config;
}

}  // namespace infe::model
