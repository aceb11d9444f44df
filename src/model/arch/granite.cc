// Granite 3 and 4 (dense): Llama's layer with four factors, of embeddings, of what is added to the
// stream, of scores and of logits. The file pairs RoPE dimensions (2i, 2i+1). IBM Research 2024.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<void> ReadGraniteFactors(const GgufFile& file, const std::string& prefix,
                                ModelConfig& config) {
  INFE_ASSIGN(config.embedding_scale, ReadFactor(file, prefix + "embedding_scale"));
  INFE_ASSIGN(const float residual, ReadFactor(file, prefix + "residual_scale"));
  INFE_ASSIGN(const float logits, ReadFactor(file, prefix + "logit_scale"));
  config.logit_scale = 1 / logits;  // the file's divides
  // Of a model that was made for no scaling of positions: they do not turn at all.
  INFE_ASSIGN(const bool turns, file.Bool(prefix + "rope.scaling.finetuned", true));
  for (LayerConfig& layer : config.layers) {
    layer.residual_scale = residual;
    AttentionConfig& attention = AttentionOf(layer);
    attention.rope.interleaved = true;
    if (!turns) attention.rope.dims = 0;
    if (file.Has(prefix + "attention.scale")) {
      INFE_ASSIGN(attention.scale, ReadFactor(file, prefix + "attention.scale"));
    }
  }
  return {};
}

Result<ModelConfig> ReadGraniteConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "granite"));
  INFE_TRY(ReadGraniteFactors(file, "granite.", config));
  return config;
}

}  // namespace infe::model
