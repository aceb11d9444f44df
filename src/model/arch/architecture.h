// What a family of models contributes: how its GGUF metadata becomes a ModelConfig. Tensors have
// the same names in every family; which of them exist follows from the config (model/weights).
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/gguf.h"
#include "model/model_config.h"

namespace infe::model {

struct Architecture {
  std::string_view name;  // general.architecture
  Result<ModelConfig> (*read_config)(const GgufFile& file);
};

Result<ModelConfig> ReadLlamaConfig(const GgufFile& file);
Result<ModelConfig> ReadQwen2Config(const GgufFile& file);
Result<ModelConfig> ReadQwen3Config(const GgufFile& file);
Result<ModelConfig> ReadGemma3Config(const GgufFile& file);

}  // namespace infe::model
