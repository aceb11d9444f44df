// Gemma 2: embeddings scaled by sqrt(embedding), norms before and after attention and feed-forward,
// GeGLU, capped scores and logits; every other layer attends to a window. The "+ 1" of its norm
// weights is already in the file. Gemma Team 2024.
#include <cmath>

#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

// The 27B model scales its scores by the width of a head as embedding / heads, not by its head
// size; the file does not say so.
constexpr size_t kLayersOf27B = 46;
constexpr uint32_t kWindowPeriod = 2;

}  // namespace

Result<ModelConfig> ReadGemma2Config(const GgufFile& file) {
  const std::string prefix = "gemma2.";
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "gemma2"));
  config.embedding_scale = std::sqrt(static_cast<float>(config.embedding));
  INFE_ASSIGN(config.logit_softcap, ReadFactorOr(file, prefix + "final_logit_softcapping", 30));
  INFE_ASSIGN(const float softcap, ReadFactorOr(file, prefix + "attn_logit_softcapping", 50));
  INFE_ASSIGN(const uint32_t window, ReadWindow(file, prefix));
  INFE_ASSIGN(const auto windowed, ReadWindowed(file, prefix, config.layers.size(), kWindowPeriod));
  for (size_t l = 0; l < config.layers.size(); ++l) {
    LayerConfig& layer = config.layers[l];
    layer.post_norms = true;
    DenseFfnOf(layer).activation = Activation::kGeGlu;
    AttentionConfig& attention = AttentionOf(layer);
    attention.softcap = softcap;
    if (windowed[l]) attention.window = window;
    if (config.layers.size() == kLayersOf27B) {
      attention.scale = 1.0F / std::sqrt(static_cast<float>(config.embedding) /
                                         static_cast<float>(attention.heads));
    }
  }
  return config;
}

}  // namespace infe::model
