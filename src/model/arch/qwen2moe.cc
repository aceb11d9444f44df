// Qwen1.5 and Qwen2 with experts in every layer: Qwen2's attention, a softmax router whose weights
// stay as they are, and an expert for every row, weighed by a sigmoid gate. Yang et al. 2024.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadQwen2MoeConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "qwen2moe", {.experts = true}));
  INFE_ASSIGN(const uint64_t dense, file.Unsigned("qwen2moe.feed_forward_length", 0));
  for (LayerConfig& layer : config.layers) {
    AttentionOf(layer).qkv_bias = true;
    auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward);
    if (moe == nullptr) return Corrupt("qwen2moe.expert_count is missing");
    // Older files do not name the widths: they follow from the dense one.
    if (!file.Has("qwen2moe.expert_feed_forward_length")) {
      moe->width = static_cast<uint32_t>(dense) / moe->used;
    }
    if (moe->shared_width == 0) moe->shared_width = static_cast<uint32_t>(dense);
    moe->shared_gate = true;
  }
  return config;
}

}  // namespace infe::model
