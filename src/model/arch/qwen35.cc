// Qwen3.5 to 3.8, and Qwen3-Next: three of four layers are gated delta nets, the fourth is
// attention with a gate for each number it puts out and rotation of a quarter of each head; dense
// or with experts and one for all rows. Layers that predict further tokens are left out. Qwen Team
// 2026.
#include <fmt/format.h>

#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint64_t kSizeMax = uint64_t{1} << 20;
constexpr uint32_t kTapsMax = 8;
constexpr uint32_t kAttentionPeriod = 4;

Result<DeltaNetConfig> ReadDeltaNet(const GgufFile& file, const std::string& prefix) {
  DeltaNetConfig net;
  INFE_ASSIGN(net.key_heads, ReadSize(file, prefix + "ssm.group_count", kSizeMax));
  INFE_ASSIGN(net.value_heads, ReadSize(file, prefix + "ssm.time_step_rank", kSizeMax));
  INFE_ASSIGN(net.head_dim, ReadSize(file, prefix + "ssm.state_size", 1024));
  INFE_ASSIGN(net.conv_taps, ReadSize(file, prefix + "ssm.conv_kernel", kTapsMax));
  INFE_ASSIGN(const uint32_t inner, ReadSize(file, prefix + "ssm.inner_size", kSizeMax));
  if (net.key_heads == 0 || net.value_heads % net.key_heads != 0 || net.conv_taps < 2 ||
      net.head_dim == 0 || uint64_t{net.value_heads} * net.head_dim != inner || inner == 0) {
    return Corrupt(fmt::format("{}ssm.* do not fit each other", prefix));
  }
  if (inner % 32 != 0 || net.head_dim % 16 != 0) {
    return Unsupported(fmt::format("{}ssm.inner_size {} is not supported", prefix, inner));
  }
  return net;
}

// Which layers are not attention.
Result<std::vector<uint32_t>> ReadRecurrent(const GgufFile& file, const std::string& prefix,
                                            size_t layers, size_t all) {
  if (file.Has(prefix + "attention.recurrent_layers")) {
    return ReadLayerSizes(file, prefix + "attention.recurrent_layers", all, 1, 0);
  }
  INFE_ASSIGN(const uint64_t period,
              file.Unsigned(prefix + "full_attention_interval", kAttentionPeriod));
  if (period == 0) return Corrupt(fmt::format("{}full_attention_interval is 0", prefix));
  std::vector<uint32_t> recurrent(layers);
  for (size_t l = 0; l < layers; ++l) recurrent[l] = (l + 1) % period != 0;
  return recurrent;
}

Result<ModelConfig> Read(const GgufFile& file, const std::string& architecture) {
  const std::string prefix = architecture + ".";
  INFE_ASSIGN(ModelConfig config,
              ReadCommonConfig(file, architecture,
                               {.experts = true, .partial_rope = true, .predictors = true}));
  const size_t layers = config.layers.size();
  INFE_ASSIGN(DeltaNetConfig net, ReadDeltaNet(file, prefix));
  net.runs_of_heads = architecture == "qwen3next";
  INFE_ASSIGN(const auto recurrent,
              ReadRecurrent(file, prefix, layers, layers + config.skipped.size()));
  for (size_t l = 0; l < layers; ++l) {
    LayerConfig& layer = config.layers[l];
    if (auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward)) {
      moe->normalise = true;
      moe->shared_gate = moe->shared_width > 0;
      moe->pre_norm = "post_attention_norm";
    } else {
      DenseFfnOf(layer).pre_norm = "post_attention_norm";
    }
    if (recurrent[l] != 0) {
      net.fused_gates = file.FindTensor(fmt::format("blk.{}.ssm_ba.weight", l)) != nullptr;
      layer.mixer = net;
      continue;
    }
    AttentionConfig& attention = AttentionOf(layer);
    attention.fused_qkv = false;
    attention.gated = true;
    attention.qk_norm = true;
  }
  return config;
}

}  // namespace

Result<ModelConfig> ReadQwen35Config(const GgufFile& file) {
  return Read(file, "qwen35");
}
Result<ModelConfig> ReadQwen35MoeConfig(const GgufFile& file) {
  return Read(file, "qwen35moe");
}
Result<ModelConfig> ReadQwen3NextConfig(const GgufFile& file) {
  return Read(file, "qwen3next");
}

}  // namespace infe::model
