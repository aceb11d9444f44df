// Granite 4 hybrid: Mamba 2 layers with attention between them, Granite's factors, a dense part or
// experts with one for all rows behind each. IBM Research 2025.
#include "model/arch/architecture.h"
#include "model/arch/common.h"

namespace infe::model {
namespace {

constexpr uint64_t kSizeMax = uint64_t{1} << 20;
constexpr uint32_t kTapsMax = 8;

}  // namespace

Result<Mamba2Config> ReadMamba2(const GgufFile& file, const std::string& prefix) {
  Mamba2Config mamba;
  INFE_ASSIGN(mamba.inner, ReadSize(file, prefix + "ssm.inner_size", kSizeMax));
  INFE_ASSIGN(mamba.heads, ReadSize(file, prefix + "ssm.time_step_rank", kSizeMax));
  INFE_ASSIGN(mamba.groups, ReadSize(file, prefix + "ssm.group_count", kSizeMax));
  INFE_ASSIGN(mamba.state, ReadSize(file, prefix + "ssm.state_size", 1024));
  INFE_ASSIGN(mamba.conv_taps, ReadSize(file, prefix + "ssm.conv_kernel", kTapsMax));
  if (mamba.heads == 0 || mamba.groups == 0 || mamba.state == 0 || mamba.conv_taps < 2 ||
      mamba.inner == 0 || mamba.inner % mamba.heads != 0 || mamba.heads % mamba.groups != 0) {
    return Corrupt(prefix + "ssm.* do not fit each other");
  }
  if (mamba.inner % 32 != 0) return Unsupported(prefix + "ssm.inner_size is no multiple of 32");
  return mamba;
}

Result<ModelConfig> ReadGraniteHybridConfig(const GgufFile& file) {
  const std::string prefix = "granitehybrid.";
  INFE_ASSIGN(ModelConfig config,
              ReadCommonConfig(file, "granitehybrid", {.experts = true, .other_mixers = true}));
  INFE_TRY(ReadGraniteFactors(file, prefix, config));
  INFE_ASSIGN(const Mamba2Config mamba, ReadMamba2(file, prefix));
  for (LayerConfig& layer : config.layers) {
    if (auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward)) moe->normalise = true;
    if (AttentionOf(layer).kv_heads == 0) layer.mixer = mamba;
  }
  return config;
}

}  // namespace infe::model
