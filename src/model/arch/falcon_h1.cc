// Falcon-H1: in every layer attention and Mamba 2 side by side behind one norm, then a dense part.
// The factors of the original are in the file's weights. The norm behind the recurrence, which some
// sizes have, is one of what is gated. TII 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadFalconH1Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "falcon-h1"));
  INFE_ASSIGN(const Mamba2Config mamba, ReadMamba2(file, "falcon-h1."));
  for (LayerConfig& layer : config.layers) layer.beside = mamba;
  return config;
}

}  // namespace infe::model
