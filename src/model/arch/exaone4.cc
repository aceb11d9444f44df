// EXAONE 4: norms behind attention and feed-forward part only, an RMSNorm over each head of Q and
// K. The 32B model attends to a window in three of four layers, and only there positions turn
// queries and keys; smaller ones attend to everything and turn everywhere. LG AI Research 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

// The file says neither which model it is nor which layers have windows.
constexpr size_t kLayersOf32B = 64;
constexpr size_t kWindowPeriod = 4;
constexpr uint64_t kWindowOf32B = 4096;

}  // namespace

Result<ModelConfig> ReadExaone4Config(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "exaone4"));
  const bool windows = config.layers.size() == kLayersOf32B;
  INFE_ASSIGN(const uint64_t window,
              file.Unsigned("exaone4.attention.sliding_window", kWindowOf32B));
  if (window == 0 || window > (uint64_t{1} << 24)) {
    return Corrupt("exaone4.attention.sliding_window is out of range");
  }
  for (size_t l = 0; l < config.layers.size(); ++l) {
    LayerConfig& layer = config.layers[l];
    layer.pre_norms = false;
    layer.post_norms = true;
    AttentionConfig& attention = AttentionOf(layer);
    attention.qk_norm = true;
    if (!windows) continue;
    if ((l + 1) % kWindowPeriod == 0) {
      attention.rope.dims = 0;
    } else {
      attention.window = static_cast<uint32_t>(window);
    }
  }
  return config;
}

}  // namespace infe::model
