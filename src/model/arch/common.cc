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
  INFE_ASSIGN(config.layers, Size(file, prefix + "block_count", kLayersMax));
  INFE_ASSIGN(config.embedding, Size(file, prefix + "embedding_length", kWidthMax));
  INFE_ASSIGN(config.feed_forward, Size(file, prefix + "feed_forward_length", kWidthMax));
  INFE_ASSIGN(config.heads, Size(file, prefix + "attention.head_count", kWidthMax));
  INFE_ASSIGN(config.kv_heads,
              Size(file, prefix + "attention.head_count_kv", kWidthMax, config.heads));
  INFE_ASSIGN(config.context_length, Size(file, prefix + "context_length", kContextMax));
  INFE_ASSIGN(config.vocabulary, Vocabulary(file));
  INFE_ASSIGN(config.head_dim, Size(file, prefix + "attention.key_length", kHeadDimMax,
                                    config.embedding / config.heads));
  INFE_ASSIGN(const uint32_t value_dim,
              Size(file, prefix + "attention.value_length", kHeadDimMax, config.head_dim));
  if (value_dim != config.head_dim) {
    return Unsupported("keys and values of different lengths are not supported");
  }
  INFE_ASSIGN(const uint32_t rope_dim,
              Size(file, prefix + "rope.dimension_count", kHeadDimMax, config.head_dim));
  if (rope_dim != config.head_dim) {
    return Unsupported(
        fmt::format("RoPE over {} of {} dimensions is not supported", rope_dim, config.head_dim));
  }
  INFE_ASSIGN(const double epsilon, file.Float(prefix + "attention.layer_norm_rms_epsilon"));
  if (!(epsilon >= 0) || !(epsilon < 1)) return Corrupt("the RMS epsilon is out of range");
  config.rms_epsilon = static_cast<float>(epsilon);
  if (config.head_dim > 0) config.attention_scale = 1.0F / std::sqrt(float(config.head_dim));

  INFE_ASSIGN(const double rope_base, file.Float(prefix + "rope.freq_base", 10000.0));
  if (!(rope_base >= 1) || !(rope_base < 1e12)) return Corrupt("rope.freq_base is out of range");
  INFE_ASSIGN(const float rope_scale, RopeScale(file, prefix));
  config.window_of_layer.assign(config.layers, 0);
  config.rope_base_of_layer.assign(config.layers, static_cast<float>(rope_base));
  config.rope_scale_of_layer.assign(config.layers, rope_scale);

  config.tied_head = file.FindTensor("output.weight") == nullptr;
  config.qkv_bias = file.FindTensor("blk.0.attn_q.bias") != nullptr;
  config.qk_norm = file.FindTensor("blk.0.attn_q_norm.weight") != nullptr;
  return config;
}

Result<void> CheckConfig(const ModelConfig& config) {
  if (config.head_dim < 2 || config.head_dim > kHeadDimMax || config.head_dim % 2 != 0) {
    return Unsupported(fmt::format("heads of {} dimensions are not supported", config.head_dim));
  }
  if (config.heads % config.kv_heads != 0) {
    return Corrupt(
        fmt::format("{} heads cannot share {} key/value heads", config.heads, config.kv_heads));
  }
  const uint64_t attention = uint64_t{config.heads} * config.head_dim;
  if (attention > kWidthMax) return Corrupt("the attention is too wide");
  for (uint64_t width : {uint64_t{config.embedding}, uint64_t{config.feed_forward}, attention}) {
    if (width % 32 != 0) {
      return Unsupported(fmt::format("widths must be multiples of 32; one is {}", width));
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
