// Ministral 3: Llama's layer, YaRN, and queries that grow with their position beyond the context
// that the model was made for. The file pairs RoPE dimensions (2i, 2i+1). Mistral AI 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadMistral3Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "mistral3", {.rope_scalings = true}));
  INFE_ASSIGN(const double growth, file.Float("mistral3.attention.temperature_scale", 0.0));
  if (!(growth >= 0) || !(growth < 1e6)) {
    return Corrupt("mistral3.attention.temperature_scale is out of range");
  }
  for (LayerConfig& layer : config.layers) {
    AttentionConfig& attention = AttentionOf(layer);
    attention.rope.interleaved = true;
    attention.query_growth = static_cast<float>(growth);
    if (growth > 0 && attention.rope.yarn.original_context == 0) {
      return Corrupt("mistral3.rope.scaling.original_context_length is missing");
    }
    if (growth > 0) attention.query_period = attention.rope.yarn.original_context;
  }
  return config;
}

}  // namespace infe::model
