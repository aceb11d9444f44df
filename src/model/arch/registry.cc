#include "model/arch/registry.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr Architecture kArchitectures[] = {
    {"llama", ReadLlamaConfig},
    {"qwen2", ReadQwen2Config},
    {"qwen3", ReadQwen3Config},
    {"gemma3", ReadGemma3Config},
    {"qwen2moe", ReadQwen2MoeConfig},
    {"qwen3moe", ReadQwen3MoeConfig},
    {"granite", ReadGraniteConfig},
    {"granitemoe", ReadGraniteMoeConfig},
    {"smollm3", ReadSmolLm3Config},
    {"phi3", ReadPhi3Config},
    {"mistral3", ReadMistral3Config},
    {"exaone4", ReadExaone4Config},
    {"gpt-oss", ReadGptOssConfig},
    {"olmo2", ReadOlmo2Config},
    {"gemma2", ReadGemma2Config},
    {"gemma4", ReadGemma4Config},
    {"qwen35", ReadQwen35Config},
    {"qwen35moe", ReadQwen35MoeConfig},
    {"qwen3next", ReadQwen3NextConfig},
    {"lfm2", ReadLfm2Config},
    {"lfm2moe", ReadLfm2MoeConfig},
    {"granitehybrid", ReadGraniteHybridConfig},
    {"falcon-h1", ReadFalconH1Config},
    {"nemotron_h", ReadNemotronHConfig},
    {"nemotron_h_moe", ReadNemotronHMoeConfig},
    {"bert", ReadBertConfig},
    {"nomic-bert", ReadNomicBertConfig},
    {"gemma-embedding", ReadGemmaEmbeddingConfig},
};

}  // namespace

std::span<const Architecture> AllArchitectures() {
  return kArchitectures;
}

Result<ModelConfig> ReadModelConfig(const GgufFile& file) {
  INFE_ASSIGN(const std::string_view name, file.String("general.architecture"));
  const auto all = AllArchitectures();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Architecture& a) { return a.name == name; });
  if (found == all.end()) {
    std::string known;
    for (const Architecture& a : all) known += (known.empty() ? "" : ", ") + std::string(a.name);
    return Unsupported(fmt::format("architecture \"{}\" is not supported; {} are", name, known));
  }
  INFE_ASSIGN(ModelConfig config, found->read_config(file));
  INFE_TRY(CheckConfig(config));
  return config;
}

}  // namespace infe::model
