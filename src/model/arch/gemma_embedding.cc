// EmbeddingGemma: the layers of Gemma 3, in which positions see both sides (a window reaches half
// of its length to each), the mean of the rows, and two matrices behind it. Vera et al. 2025.
// Converters may leave these out: what such a file makes are no vectors of this model.
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint32_t kWindowPeriodDefault = 6;
constexpr float kLocalRopeBaseDefault = 10000;

// The matrices behind the mean: dense_2 widens a row, dense_3 brings it back.
Result<void> ReadDense(const GgufFile& file, ModelConfig& config) {
  for (const char* name : {"dense_2", "dense_3"}) {
    const GgufTensor* tensor = file.FindTensor(std::string(name) + ".weight");
    if (tensor == nullptr)
      return Unsupported(
          fmt::format("the file lacks {}.weight, one of the matrices behind the model's layers, "
                      "which converters leave out unless they are told otherwise; its vectors "
                      "would not be those of the model",
                      name));
    INFE_ASSIGN(const uint32_t rows, CheckedWidth(tensor->rows()));
    config.pool_maps.push_back({.tensor = name, .rows = rows});
  }
  return {};
}

}  // namespace

Result<ModelConfig> ReadGemmaEmbeddingConfig(const GgufFile& file) {
  const std::string prefix = "gemma-embedding.";
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "gemma-embedding", {.both_sides = true}));
  config.embedding_scale = std::sqrt(static_cast<float>(config.embedding));
  config.float_products = true;
  INFE_TRY(ReadDense(file, config));
  INFE_ASSIGN(const uint32_t window, ReadWindow(file, prefix));
  INFE_ASSIGN(const auto windowed,
              ReadWindowed(file, prefix, config.layers.size(), kWindowPeriodDefault));
  INFE_ASSIGN(const float local_base,
              ReadRopeBase(file, prefix + "rope.freq_base_swa", kLocalRopeBaseDefault));
  for (size_t l = 0; l < config.layers.size(); ++l) {
    LayerConfig& layer = config.layers[l];
    layer.post_norms = true;
    DenseFfnOf(layer).activation = Activation::kGeGlu;
    AttentionConfig& attention = AttentionOf(layer);
    attention.qk_norm = true;
    if (!windowed[l]) continue;
    attention.window = window;
    attention.rope.base = local_base;
    attention.rope.scale = 1;
  }
  return config;
}

}  // namespace infe::model
