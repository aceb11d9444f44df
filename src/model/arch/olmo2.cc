// OLMo 2 and 3: norms behind attention and feed-forward part only, an RMSNorm over all heads of Q
// and of K. OLMo 3 attends to a window in three of four layers, whose rotation is not scaled. Ai2
// 2024.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint32_t kWindowPeriod = 4;

}  // namespace

Result<ModelConfig> ReadOlmo2Config(const GgufFile& file) {
  const std::string prefix = "olmo2.";
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "olmo2", {.rope_scalings = true}));
  INFE_ASSIGN(const uint32_t window,
              ReadSize(file, prefix + "attention.sliding_window", uint64_t{1} << 24));
  INFE_ASSIGN(const auto windowed, ReadWindowed(file, prefix, config.layers.size(), kWindowPeriod));
  INFE_ASSIGN(const float base, ReadRopeBase(file, prefix + "rope.freq_base_swa",
                                             AttentionOf(config.layers[0]).rope.base));
  for (size_t l = 0; l < config.layers.size(); ++l) {
    config.layers[l].pre_norms = false;
    config.layers[l].post_norms = true;
    AttentionConfig& attention = AttentionOf(config.layers[l]);
    attention.qk_norm = true;
    attention.whole_norm = true;
    if (window == 0 || !windowed[l]) continue;
    attention.window = window;
    RopeConfig plain;
    plain.dims = attention.rope.dims;
    plain.base = base;
    attention.rope = plain;
  }
  return config;
}

}  // namespace infe::model
