// Nomic's BERT as an embedding model (nomic-embed-text): as BERT, positions turn queries and keys
// and are not learnt, the feed-forward part is gated, and products have no biases. Nussbaum et al.
// 2024. Its successor with experts is refused by its keys.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadNomicBertConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "nomic-bert", {.encoder = true}));
  for (LayerConfig& layer : config.layers) {
    layer.pre_norms = false;
    layer.stream_norms = true;
  }
  return config;
}

}  // namespace infe::model
