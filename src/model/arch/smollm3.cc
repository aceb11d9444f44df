// SmolLM3: Llama's layer; in every fourth positions do not turn queries and keys. The file pairs
// RoPE dimensions (2i, 2i+1). Hugging Face 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr size_t kUnturnedPeriod = 4;  // the file does not say so

}  // namespace

Result<ModelConfig> ReadSmolLm3Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "smollm3"));
  for (size_t l = 0; l < config.layers.size(); ++l) {
    RopeConfig& rope = AttentionOf(config.layers[l]).rope;
    rope.interleaved = true;
    if ((l + 1) % kUnturnedPeriod == 0) rope.dims = 0;
  }
  return config;
}

}  // namespace infe::model
