// Llama 1-3, Mistral, SmolLM2 and others that call themselves "llama": RMSNorm, grouped-query
// attention, SwiGLU. Touvron et al. 2023. The file pairs RoPE dimensions (2i, 2i+1), because its Q
// and K rows were permuted when it was converted; Llama 3's frequency factors are the tensor
// rope_freqs.weight.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadLlamaConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "llama"));
  for (LayerConfig& layer : config.layers) AttentionOf(layer).rope.interleaved = true;
  return config;
}

}  // namespace infe::model
