#include "model/arch/common.h"

#include <cmath>
#include <limits>
#include <string>

#include <fmt/format.h>

namespace infe::model {
namespace {

// Limits of what a config may say; far above every known dense model. They keep products of two
// sizes inside 64 bits and refuse nonsense early.
constexpr uint64_t kLayersMax = 1024;
constexpr uint64_t kWidthMax = uint64_t{1} << 20;
constexpr uint64_t kVocabularyMax = uint64_t{1} << 24;
constexpr uint64_t kContextMax = uint64_t{1} << 24;
constexpr uint64_t kHeadDimMax = 1024;

Result<uint32_t> Size(const GgufFile& file, const std::string& key, uint64_t max) {
  INFE_ASSIGN(const uint64_t value, file.Unsigned(key));
  if (value == 0 || value > max) {
    return Corrupt(fmt::format("{} is {}; it must be in 1..{}", key, value, max));
  }
  return static_cast<uint32_t>(value);
}

Result<uint32_t> Size(const GgufFile& file, const std::string& key, uint64_t max,
                      uint32_t fallback) {
  if (!file.Has(key)) return fallback;
  return Size(file, key, max);
}

// Rows of the embedding: the file's tensor decides, not the metadata.
Result<uint32_t> Vocabulary(const GgufFile& file) {
  const GgufTensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) {
    return Corrupt("the file has no tensor token_embd.weight; it may hold a vocabulary only");
  }
  if (embedding->rows() > kVocabularyMax) return Corrupt("token_embd.weight has too many rows");
  return static_cast<uint32_t>(embedding->rows());
}

Result<float> RopeScale(const GgufFile& file, const std::string& prefix) {
  INFE_ASSIGN(const std::string_view type, file.String(prefix + "rope.scaling.type", "none"));
  INFE_ASSIGN(double factor, file.Float(prefix + "rope.scaling.factor", 1.0));
  if (file.Has(prefix + "rope.scale_linear")) {  // older files
    INFE_ASSIGN(factor, file.Float(prefix + "rope.scale_linear"));
  } else if (type == "none") {
    return 1.0F;
  } else if (type != "linear") {
    return Unsupported(
        fmt::format("RoPE scaling \"{}\" is not supported; none and linear are", type));
  }
  if (factor == 0) return 1.0F;  // files that write 0 for "no scaling"
  if (!(factor > 0) || !(factor < 1e6)) return Corrupt("the RoPE scaling factor is out of range");
  return static_cast<float>(factor);
}

Result<AttentionConfig> ReadAttention(const GgufFile& file, const std::string& prefix,
                                      uint32_t embedding) {
  AttentionConfig a;
  INFE_ASSIGN(a.heads, Size(file, prefix + "attention.head_count", kWidthMax));
  INFE_ASSIGN(a.kv_heads, Size(file, prefix + "attention.head_count_kv", kWidthMax, a.heads));
  INFE_ASSIGN(a.head_dim,
              Size(file, prefix + "attention.key_length", kHeadDimMax, embedding / a.heads));
  INFE_ASSIGN(const uint32_t value_dim,
              Size(file, prefix + "attention.value_length", kHeadDimMax, a.head_dim));
  if (value_dim != a.head_dim) {
    return Unsupported("keys and values of different lengths are not supported");
  }
  INFE_ASSIGN(a.rope.dims, Size(file, prefix + "rope.dimension_count", kHeadDimMax, a.head_dim));
  if (a.rope.dims != a.head_dim) {
    return Unsupported(
        fmt::format("RoPE over {} of {} dimensions is not supported", a.rope.dims, a.head_dim));
  }
  if (a.head_dim > 0) a.scale = 1.0F / std::sqrt(float(a.head_dim));
  INFE_ASSIGN(const double base, file.Float(prefix + "rope.freq_base", 10000.0));
  if (!(base >= 1) || !(base < 1e12)) return Corrupt("rope.freq_base is out of range");
  a.rope.base = static_cast<float>(base);
  INFE_ASSIGN(a.rope.scale, RopeScale(file, prefix));
  if (file.FindTensor("rope_freqs.weight") != nullptr) a.rope.factors = "rope_freqs.weight";
  a.qkv_bias = file.FindTensor("blk.0.attn_q.bias") != nullptr;
  a.qk_norm = file.FindTensor("blk.0.attn_q_norm.weight") != nullptr;
  return a;
}

Result<void> CheckWidth(uint64_t width) {
  if (width % 32 == 0) return {};
  return Unsupported(fmt::format("widths must be multiples of 32; one is {}", width));
}

Result<void> CheckAttention(const AttentionConfig& a) {
  if (a.head_dim < 2 || a.head_dim > kHeadDimMax || a.head_dim % 2 != 0) {
    return Unsupported(fmt::format("heads of {} dimensions are not supported", a.head_dim));
  }
  if (a.heads % a.kv_heads != 0) {
    return Corrupt(fmt::format("{} heads cannot share {} key/value heads", a.heads, a.kv_heads));
  }
  const uint64_t width = uint64_t{a.heads} * a.head_dim;
  if (width > kWidthMax) return Corrupt("the attention is too wide");
  return CheckWidth(width);
}

}  // namespace

Result<ModelConfig> ReadCommonConfig(const GgufFile& file, std::string_view architecture) {
  const std::string prefix = std::string(architecture) + ".";
  ModelConfig config;
  config.architecture = architecture;
  INFE_ASSIGN(config.name, file.String("general.name", ""));
  INFE_ASSIGN(config.licence, file.String("general.license", ""));
  INFE_ASSIGN(const uint64_t file_type,
              file.Unsigned("general.file_type", std::numeric_limits<uint64_t>::max()));
  config.quantisation = FileTypeName(file_type);

  INFE_ASSIGN(const uint64_t experts, file.Unsigned(prefix + "expert_count", 0));
  if (experts > 0) return Unsupported("mixture-of-experts models are not supported");
  INFE_ASSIGN(const uint32_t layers, Size(file, prefix + "block_count", kLayersMax));
  INFE_ASSIGN(config.embedding, Size(file, prefix + "embedding_length", kWidthMax));
  LayerConfig layer;
  INFE_ASSIGN(DenseFfnOf(layer).width, Size(file, prefix + "feed_forward_length", kWidthMax));
  INFE_ASSIGN(layer.mixer, ReadAttention(file, prefix, config.embedding));
  INFE_ASSIGN(config.context_length, Size(file, prefix + "context_length", kContextMax));
  INFE_ASSIGN(config.vocabulary, Vocabulary(file));
  INFE_ASSIGN(const double epsilon, file.Float(prefix + "attention.layer_norm_rms_epsilon"));
  if (!(epsilon >= 0) || !(epsilon < 1)) return Corrupt("the RMS epsilon is out of range");
  config.rms_epsilon = static_cast<float>(epsilon);
  config.layers.assign(layers, layer);
  config.tied_head = file.FindTensor("output.weight") == nullptr;
  return config;
}

AttentionConfig& AttentionOf(LayerConfig& layer) {
  return std::get<AttentionConfig>(layer.mixer);
}

DenseFfnConfig& DenseFfnOf(LayerConfig& layer) {
  return std::get<DenseFfnConfig>(layer.feed_forward);
}

Result<void> CheckConfig(const ModelConfig& config) {
  INFE_TRY(CheckWidth(config.embedding));
  for (const LayerConfig& layer : config.layers) {
    if (const auto* attention = std::get_if<AttentionConfig>(&layer.mixer)) {
      INFE_TRY(CheckAttention(*attention));
    }
    if (const auto* dense = std::get_if<DenseFfnConfig>(&layer.feed_forward)) {
      INFE_TRY(CheckWidth(dense->width));
    }
  }
  return {};
}

std::string_view FileTypeName(uint64_t file_type) {
  // llama_ftype, as tools print it.
  switch (file_type) {
    case 0:
      return "F32";
    case 1:
      return "F16";
    case 2:
      return "Q4_0";
    case 3:
      return "Q4_1";
    case 7:
      return "Q8_0";
    case 8:
      return "Q5_0";
    case 9:
      return "Q5_1";
    case 10:
      return "Q2_K";
    case 11:
      return "Q3_K_S";
    case 12:
      return "Q3_K_M";
    case 13:
      return "Q3_K_L";
    case 14:
      return "Q4_K_S";
    case 15:
      return "Q4_K_M";
    case 16:
      return "Q5_K_S";
    case 17:
      return "Q5_K_M";
    case 18:
      return "Q6_K";
    case 32:
      return "BF16";
    default:
      return "unknown";
  }
}

}  // namespace infe::model
