// gpt-oss: experts everywhere, biases on every matrix, a sink for each head, every other layer with
// a window, YaRN whose ramp ends where it is computed to and not at whole dimensions. OpenAI 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {

Result<ModelConfig> ReadGptOssConfig(const GgufFile& file) {
  INFE_ASSIGN(ModelConfig config,
              ReadCommonConfig(file, "gpt-oss", {.experts = true, .rope_scalings = true}));
  INFE_ASSIGN(const uint32_t window, ReadWindow(file, "gpt-oss."));
  for (size_t l = 0; l < config.layers.size(); ++l) {
    AttentionConfig& attention = AttentionOf(config.layers[l]);
    attention.qkv_bias = true;
    attention.output_bias = true;
    attention.sinks = true;
    attention.rope.yarn.whole_dims = false;
    if (l % 2 == 0) attention.window = window;
    auto* moe = std::get_if<MoeFfnConfig>(&config.layers[l].feed_forward);
    if (moe == nullptr) return Corrupt("gpt-oss.expert_count is missing");
    moe->router = RouterKind::kSoftmaxOfChosen;
    moe->activation = Activation::kClampedSwiGlu;
    moe->biases = true;
    moe->pre_norm = "post_attention_norm";
  }
  return config;
}

}  // namespace infe::model
