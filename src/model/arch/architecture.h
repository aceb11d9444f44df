// What a family of models contributes: how its GGUF metadata becomes a ModelConfig. Tensors have
// the same names in every family; which of them exist follows from the config (model/weights).
#pragma once

#include <string>
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
Result<ModelConfig> ReadQwen2MoeConfig(const GgufFile& file);
Result<ModelConfig> ReadQwen3MoeConfig(const GgufFile& file);
Result<ModelConfig> ReadGraniteConfig(const GgufFile& file);
Result<ModelConfig> ReadGraniteMoeConfig(const GgufFile& file);
Result<ModelConfig> ReadSmolLm3Config(const GgufFile& file);
Result<ModelConfig> ReadPhi3Config(const GgufFile& file);
Result<ModelConfig> ReadMistral3Config(const GgufFile& file);
Result<ModelConfig> ReadExaone4Config(const GgufFile& file);

Result<ModelConfig> ReadGptOssConfig(const GgufFile& file);
Result<ModelConfig> ReadOlmo2Config(const GgufFile& file);
Result<ModelConfig> ReadGemma2Config(const GgufFile& file);
Result<ModelConfig> ReadGemma4Config(const GgufFile& file);
Result<ModelConfig> ReadQwen35Config(const GgufFile& file);
Result<ModelConfig> ReadQwen35MoeConfig(const GgufFile& file);
Result<ModelConfig> ReadQwen3NextConfig(const GgufFile& file);
Result<ModelConfig> ReadLfm2Config(const GgufFile& file);
Result<ModelConfig> ReadLfm2MoeConfig(const GgufFile& file);
Result<ModelConfig> ReadGraniteHybridConfig(const GgufFile& file);
Result<ModelConfig> ReadFalconH1Config(const GgufFile& file);
Result<ModelConfig> ReadNemotronHConfig(const GgufFile& file);
Result<ModelConfig> ReadNemotronHMoeConfig(const GgufFile& file);
Result<ModelConfig> ReadBertConfig(const GgufFile& file);
Result<ModelConfig> ReadNomicBertConfig(const GgufFile& file);
Result<ModelConfig> ReadGemmaEmbeddingConfig(const GgufFile& file);

// The keys of Mamba 2 layers under `prefix`.
Result<Mamba2Config> ReadMamba2(const GgufFile& file, const std::string& prefix);

// The factors that all Granites have, under the keys of `prefix`.
Result<void> ReadGraniteFactors(const GgufFile& file, const std::string& prefix,
                                ModelConfig& config);

}  // namespace infe::model
