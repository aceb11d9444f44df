// Gemma 3 (text): embeddings scaled by sqrt(embedding), norms before and after attention and
// feed-forward, an RMSNorm over each head of Q and K, GeGLU; five of six layers attend to a window
// with RoPE base 10,000, every sixth to everything with the base and scaling of the file. The "+ 1"
// of its norm weights is already in the file. Gemma Team 2025.
#include <cmath>

#include <fmt/format.h>

#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint64_t kWindowPatternDefault = 6;
constexpr double kLocalRopeBaseDefault = 10000.0;
// The 27B model scales its scores by the width of a head as embedding / heads, not by its head
// size; the file does not say so.
constexpr size_t kLayersOf27B = 62;

}  // namespace

Result<ModelConfig> ReadGemma3Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "gemma3"));
  config.embedding_scale = std::sqrt(static_cast<float>(config.embedding));
  INFE_ASSIGN(const double cap, file.Float("gemma3.final_logit_softcapping", 0.0));
  if (cap != 0) return Unsupported("capped logits are not supported");
  INFE_ASSIGN(const uint64_t window, file.Unsigned("gemma3.attention.sliding_window"));
  if (window == 0 || window > (uint64_t{1} << 24)) {
    return Corrupt(fmt::format("gemma3.attention.sliding_window is {}", window));
  }
  INFE_ASSIGN(const uint64_t pattern,
              file.Unsigned("gemma3.attention.sliding_window_pattern", kWindowPatternDefault));
  if (pattern == 0) return Corrupt("gemma3.attention.sliding_window_pattern is 0");
  INFE_ASSIGN(const double local_base,
              file.Float("gemma3.rope.freq_base_swa", kLocalRopeBaseDefault));
  if (!(local_base >= 1) || !(local_base < 1e12)) {
    return Corrupt("gemma3.rope.freq_base_swa is out of range");
  }
  for (uint32_t l = 0; l < config.layers.size(); ++l) {
    LayerConfig& layer = config.layers[l];
    layer.post_norms = true;
    DenseFfnOf(layer).activation = Activation::kGeGlu;
    AttentionConfig& attention = AttentionOf(layer);
    attention.qk_norm = true;
    if (config.layers.size() == kLayersOf27B) {
      attention.scale = 1.0F / std::sqrt(static_cast<float>(config.embedding) /
                                         static_cast<float>(attention.heads));
    }
    if ((l + 1) % pattern == 0) continue;  // global
    attention.window = static_cast<uint32_t>(window);
    attention.rope.base = static_cast<float>(local_base);
    attention.rope.scale = 1;
  }
  return config;
}

}  // namespace infe::model
