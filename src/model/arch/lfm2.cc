// LFM2 and LFM2.5: short convolutions with attention between them, an RMSNorm over each head of Q
// and K; dense, or with experts behind the first layers, chosen by a sigmoid and a bias. Liquid AI
// 2025.
#include <fmt/format.h>

#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint64_t kSizeMax = uint64_t{1} << 20;
constexpr uint32_t kTapsMax = 8;

Result<ModelConfig> Read(const GgufFile& file, const std::string& architecture) {
  const std::string prefix = architecture + ".";
  INFE_ASSIGN(ModelConfig config,
              ReadCommonConfig(file, architecture, {.experts = true, .other_mixers = true}));
  config.output_norm = "token_embd_norm";
  INFE_ASSIGN(const bool causal, file.Bool(prefix + "attention.causal", true));
  if (!causal) return Unsupported("attention to later positions is not supported");
  ShortConvConfig conv;
  INFE_ASSIGN(conv.taps, ReadSize(file, prefix + "shortconv.l_cache", kTapsMax));
  if (conv.taps < 2) return Corrupt(prefix + "shortconv.l_cache is missing or too small");
  const size_t layers = config.layers.size();
  INFE_ASSIGN(const uint32_t window, ReadSize(file, prefix + "attention.sliding_window", kSizeMax));
  INFE_ASSIGN(const uint32_t dense, ReadSize(file, prefix + "leading_dense_block_count", layers));
  INFE_ASSIGN(const auto widths,
              ReadLayerSizes(file, prefix + "feed_forward_length", layers, kSizeMax, 0));
  for (size_t l = 0; l < layers; ++l) {
    LayerConfig& layer = config.layers[l];
    if (auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward)) {
      moe->router = RouterKind::kSigmoid;
      moe->normalise = true;
      moe->select_bias = file.FindTensor(fmt::format("blk.{}.exp_probs_b.bias", l)) != nullptr;
      if (l < dense) layer.feed_forward = DenseFfnConfig{.width = widths[l]};
    }
    if (const auto* part = std::get_if<DenseFfnConfig>(&layer.feed_forward);
        part != nullptr && part->width == 0) {
      return Corrupt(prefix + "feed_forward_length is missing");
    }
    if (AttentionOf(layer).kv_heads == 0) {
      layer.mixer = conv;
      continue;
    }
    AttentionOf(layer).qk_norm = true;
    AttentionOf(layer).window = window;
  }
  return config;
}

}  // namespace

Result<ModelConfig> ReadLfm2Config(const GgufFile& file) {
  return Read(file, "lfm2");
}
Result<ModelConfig> ReadLfm2MoeConfig(const GgufFile& file) {
  return Read(file, "lfm2moe");
}

}  // namespace infe::model
