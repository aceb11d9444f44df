// Gemma 4 (text): Gemma's norms around every part, of Q, K and V too; scores as they are; layers
// with windows and small heads between global ones with large heads, of which a quarter turns.
// Small models share the keys and values of earlier layers and add per-layer embeddings; the 26B
// has experts beside the dense part; larger ones take their keys as values in global layers. Gemma
// Team 2026.
#include <cmath>

#include <fmt/format.h>

#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint64_t kHeadDimMax = 1024;
constexpr uint64_t kPerLayerMax = 4096;
constexpr uint64_t kLayersMax = 1024;

bool Has(const GgufFile& file, size_t layer, const char* tensor) {
  return file.FindTensor(fmt::format("blk.{}.{}", layer, tensor)) != nullptr;
}

// Whose keys and values a layer reads that has none: the last layer of its kind that has.
Result<void> ShareKeys(const GgufFile& file, const std::vector<bool>& windowed,
                       ModelConfig& config) {
  const size_t layers = config.layers.size();
  INFE_ASSIGN(const uint32_t shared,
              ReadSize(file, "gemma4.attention.shared_kv_layers", kLayersMax));
  if (shared >= layers) return Corrupt("gemma4.attention.shared_kv_layers leaves no keys");
  const size_t own = layers - shared;
  for (size_t l = own; l < layers; ++l) {
    size_t source = own;
    while (source > 0 && windowed[source - 1] != windowed[l]) --source;
    if (source == 0) return Corrupt(fmt::format("layer {} finds no keys to share", l));
    AttentionOf(config.layers[l]).kv_source = static_cast<uint32_t>(source - 1);
    // What is not read may be there.
    for (const char* name : {"attn_k.", "attn_v.", "attn_k_norm."}) {
      config.skipped.push_back(fmt::format("blk.{}.{}", l, name));
    }
  }
  return {};
}

// Dense, or with experts beside it.
void SetFeedForward(const GgufFile& file, size_t l, const DenseFfnConfig& dense,
                    const MoeFfnConfig* experts, LayerConfig& layer) {
  DenseFfnConfig own = dense;
  own.activation = Activation::kGeGlu;
  if (experts == nullptr || !Has(file, l, "ffn_gate_inp.weight")) {
    layer.feed_forward = own;
    return;
  }
  TwinFfnConfig twin{.dense = own, .experts = *experts};
  twin.dense.post_norm = "post_ffw_norm_1";
  twin.experts.activation = Activation::kGeGlu;
  twin.experts.normalise = true;
  twin.experts.router_norm = true;
  twin.experts.expert_scales = Has(file, l, "ffn_down_exps.scale");
  twin.experts.pre_norm = "pre_ffw_norm_2";
  twin.experts.post_norm = "post_ffw_norm_2";
  layer.feed_forward = twin;
}

Result<void> SetAttention(const GgufFile& file, size_t l, bool windowed, uint32_t window,
                          AttentionConfig& attention) {
  const std::string prefix = "gemma4.";
  attention.scale = 1;
  attention.qk_norm = true;
  attention.value_norm = true;
  attention.values_are_keys = !Has(file, l, "attn_v.weight");
  if (!windowed) return {};
  INFE_ASSIGN(const uint32_t dim, ReadSize(file, prefix + "attention.key_length_swa", kHeadDimMax));
  INFE_ASSIGN(const uint32_t value_dim,
              ReadSize(file, prefix + "attention.value_length_swa", kHeadDimMax));
  INFE_ASSIGN(const uint32_t turned,
              ReadSize(file, prefix + "rope.dimension_count_swa", kHeadDimMax));
  INFE_ASSIGN(const float base, ReadRopeBase(file, prefix + "rope.freq_base_swa", 10000));
  if (dim > 0) attention.head_dim = dim;
  if (value_dim != dim || (turned != 0 && turned != attention.head_dim)) {
    return Unsupported("gemma4: keys, values and rotation of different lengths are not supported");
  }
  attention.window = window;
  attention.rope = RopeConfig();
  attention.rope.dims = attention.head_dim;
  attention.rope.base = base;
  return {};
}

}  // namespace

Result<ModelConfig> ReadGemma4Config(const GgufFile& file) {
  const std::string prefix = "gemma4.";
  INFE_ASSIGN(ModelConfig config, ReadCommonConfig(file, "gemma4", {.experts = true}));
  const size_t layers = config.layers.size();
  config.embedding_scale = std::sqrt(static_cast<float>(config.embedding));
  if (file.Has(prefix + "final_logit_softcapping")) {
    INFE_ASSIGN(config.logit_softcap, ReadFactor(file, prefix + "final_logit_softcapping"));
  }
  INFE_ASSIGN(config.per_layer_width,
              ReadSize(file, prefix + "embedding_length_per_layer_input", kPerLayerMax));
  INFE_ASSIGN(const uint32_t window, ReadWindow(file, prefix));
  INFE_ASSIGN(const auto windowed, ReadWindowed(file, prefix, layers, 6));
  INFE_ASSIGN(const auto widths,
              ReadLayerSizes(file, prefix + "feed_forward_length", layers, uint64_t{1} << 20, 0));
  INFE_TRY(ShareKeys(file, windowed, config));
  for (size_t l = 0; l < layers; ++l) {
    LayerConfig& layer = config.layers[l];
    if (widths[l] == 0) return Corrupt("gemma4.feed_forward_length is missing");
    layer.post_norms = true;
    layer.output_scale = Has(file, l, "layer_output_scale.weight");
    const auto* experts = std::get_if<MoeFfnConfig>(&layer.feed_forward);
    const MoeFfnConfig copy = experts == nullptr ? MoeFfnConfig{} : *experts;
    SetFeedForward(file, l, {.width = widths[l]}, experts == nullptr ? nullptr : &copy, layer);
    INFE_TRY(SetAttention(file, l, windowed[l], window, AttentionOf(layer)));
  }
  // Encoders of pictures and sound that some files hold beside the model.
  for (const char* other : {"v.", "a.", "mm."}) config.skipped.push_back(other);
  return config;
}

}  // namespace infe::model
