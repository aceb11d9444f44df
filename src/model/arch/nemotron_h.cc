// Nemotron-H and Nemotron 3 Nano: each layer is one thing behind one norm, Mamba 2, attention
// without rotation, or a feed-forward part: squared ReLU without a gate, or as many experts, chosen
// by a sigmoid and a bias, and one that all rows share. NVIDIA 2025.
#include <algorithm>

#include <fmt/format.h>

#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint64_t kSizeMax = uint64_t{1} << 20;

// What makes a feed-forward part of either kind this family's.
template <typename Ffn>
void Adapt(Ffn& ffn) {
  ffn.activation = Activation::kReluSquared;
  ffn.pre_norm = "attn_norm";
}

Result<ModelConfig> Read(const GgufFile& file, const std::string& architecture) {
  const std::string prefix = architecture + ".";
  INFE_ASSIGN(
      ModelConfig config,
      ReadCommonConfig(
          file, architecture,
          {.experts = true, .partial_rope = true, .other_mixers = true, .predictors = true}));
  INFE_ASSIGN(const Mamba2Config mamba, ReadMamba2(file, prefix));
  INFE_ASSIGN(const uint32_t latent, ReadSize(file, prefix + "moe_latent_size", kSizeMax));
  if (latent > 0) return Unsupported("experts of a narrower stream (moe_latent_size)");
  const size_t layers = config.layers.size() + config.skipped.size();
  INFE_ASSIGN(const auto widths,
              ReadLayerSizes(file, prefix + "feed_forward_length", layers, kSizeMax, 0));
  bool mixes = false;
  for (size_t l = 0; l < config.layers.size(); ++l) {
    LayerConfig& layer = config.layers[l];
    if (widths[l] > 0) {
      layer.mixer = std::monostate();
      if (auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward)) {
        Adapt(*moe);
        moe->router = RouterKind::kSigmoid;
        moe->select_bias = file.FindTensor(fmt::format("blk.{}.exp_probs_b.bias", l)) != nullptr;
      } else {
        Adapt(DenseFfnOf(layer));
      }
      continue;
    }
    mixes = true;
    layer.feed_forward = std::monostate();
    AttentionOf(layer).rope.dims = 0;
    if (AttentionOf(layer).kv_heads == 0) layer.mixer = mamba;
  }
  if (!mixes) return Corrupt("no layer lets positions see each other");
  return config;
}

}  // namespace

Result<ModelConfig> ReadNemotronHConfig(const GgufFile& file) {
  return Read(file, "nemotron_h");
}

Result<ModelConfig> ReadNemotronHMoeConfig(const GgufFile& file) {
  return Read(file, "nemotron_h_moe");
}

}  // namespace infe::model
