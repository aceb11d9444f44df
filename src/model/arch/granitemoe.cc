// Granite 3 with experts in every layer: Granite's factors, a softmax over the chosen experts, and,
// in some, an expert for every row. IBM Research 2024.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadGraniteMoeConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "granitemoe", {.experts = true}));
  INFE_TRY(ReadGraniteFactors(file, "granitemoe.", config));
  for (LayerConfig& layer : config.layers) {
    if (auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward)) moe->normalise = true;
  }
  return config;
}

}  // namespace infe::model
