#include "model/arch/common.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "model/rope_table.h"

namespace infe::model {
namespace {

// Limits of what a config may say; far above every known dense model. They keep products of two
// sizes inside 64 bits and refuse nonsense early.
constexpr uint64_t kLayersMax = 1024;
constexpr uint64_t kWidthMax = uint64_t{1} << 20;
constexpr uint64_t kVocabularyMax = uint64_t{1} << 24;
constexpr uint64_t kContextMax = uint64_t{1} << 24;
constexpr uint64_t kHeadDimMax = 1024;
constexpr uint64_t kExpertsMax = 4096;
constexpr uint64_t kTokenTypesMax = 1024;
constexpr uint64_t kPoolingRank = 4;  // <prefix>pooling_type of encoders of pairs

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

// A size that may differ from layer to layer: the largest.
Result<uint32_t> LargestSize(const GgufFile& file, const std::string& key, uint64_t max,
                             uint32_t fallback) {
  const GgufEntry* entry = file.FindEntry(key);
  if (entry == nullptr || entry->type != GgufValueType::kArray) {
    return Size(file, key, max, fallback);
  }
  INFE_ASSIGN(const std::vector<uint32_t> sizes,
              ReadLayerSizes(file, key, entry->count, max, fallback));
  if (sizes.empty()) return Corrupt(fmt::format("{} is empty", key));
  const uint32_t largest = *std::max_element(sizes.begin(), sizes.end());
  if (largest == 0) return Corrupt(fmt::format("{} is 0; it must be in 1..{}", key, max));
  return largest;
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

// Peng et al. 2023; the amplitude is that of the paper, or, with a multiplier, the ratio of it and
// that of another one.
Result<void> ReadYarn(const GgufFile& file, const std::string& prefix, double factor,
                      RopeConfig& rope) {
  INFE_ASSIGN(rope.yarn.original_context,
              Size(file, prefix + "rope.scaling.original_context_length", kContextMax));
  INFE_ASSIGN(const double fast, file.Float(prefix + "rope.scaling.yarn_beta_fast", 32.0));
  INFE_ASSIGN(const double slow, file.Float(prefix + "rope.scaling.yarn_beta_slow", 1.0));
  INFE_ASSIGN(const float attention, ReadFactor(file, prefix + "rope.scaling.attn_factor"));
  INFE_ASSIGN(const double multiplier,
              file.Float(prefix + "rope.scaling.yarn_log_multiplier", 0.0));
  if (!(slow > 0) || !(fast >= slow) || !(fast < 1e6) || !(multiplier >= 0) ||
      !(multiplier < 1e6)) {
    return Corrupt("the YaRN scaling is out of range");
  }
  rope.yarn.factor = static_cast<float>(factor);
  rope.yarn.beta_fast = static_cast<float>(fast);
  rope.yarn.beta_slow = static_cast<float>(slow);
  const double log = 0.1 * LogOf(factor);
  rope.amplitude = static_cast<float>((1 + log) / (1 + multiplier * log) * attention);
  return {};
}

// Factors for contexts up to the one the model was made for, and for longer ones. Which of them is
// taken goes by the context that the file names.
Result<void> ReadLongRope(const GgufFile& file, const std::string& prefix, RopeConfig& rope) {
  INFE_ASSIGN(const uint32_t original,
              Size(file, prefix + "rope.scaling.original_context_length", kContextMax));
  INFE_ASSIGN(const uint32_t context, Size(file, prefix + "context_length", kContextMax));
  INFE_ASSIGN(rope.amplitude, ReadFactor(file, prefix + "rope.scaling.attn_factor"));
  rope.factors = "rope_factors_short.weight";
  rope.other_factors = "rope_factors_long.weight";
  if (context > original) std::swap(rope.factors, rope.other_factors);
  return {};
}

Result<void> ReadRopeScaling(const GgufFile& file, const std::string& prefix,
                             const Supports& supports, RopeConfig& rope) {
  INFE_ASSIGN(const std::string_view type, file.String(prefix + "rope.scaling.type", "none"));
  INFE_ASSIGN(double factor, file.Float(prefix + "rope.scaling.factor", 1.0));
  if (file.Has(prefix + "rope.scale_linear")) {  // older files
    INFE_ASSIGN(factor, file.Float(prefix + "rope.scale_linear"));
  } else if (type == "none") {
    return {};
  } else if (type == "longrope" && supports.rope_scalings) {
    return ReadLongRope(file, prefix, rope);
  } else if (type != "linear" && !(type == "yarn" && supports.rope_scalings)) {
    return Unsupported(
        fmt::format("RoPE scaling \"{}\" is not supported; none and linear are", type));
  }
  if (factor == 0) return {};  // files that write 0 for "no scaling"
  if (!(factor > 0) || !(factor < 1e6)) return Corrupt("the RoPE scaling factor is out of range");
  if (type == "yarn") return ReadYarn(file, prefix, factor, rope);
  rope.scale = static_cast<float>(factor);
  return {};
}

Result<AttentionConfig> ReadAttention(const GgufFile& file, const std::string& prefix,
                                      uint32_t embedding, const Supports& supports) {
  AttentionConfig a;
  const std::string heads = prefix + "attention.head_count";
  if (!file.Has(heads)) INFE_TRY(file.Unsigned(heads));
  INFE_ASSIGN(a.heads, LargestSize(file, heads, kWidthMax, 0));
  INFE_ASSIGN(a.kv_heads,
              LargestSize(file, prefix + "attention.head_count_kv", kWidthMax, a.heads));
  INFE_ASSIGN(a.head_dim,
              Size(file, prefix + "attention.key_length", kHeadDimMax, embedding / a.heads));
  INFE_ASSIGN(const uint32_t value_dim,
              Size(file, prefix + "attention.value_length", kHeadDimMax, a.head_dim));
  if (value_dim != a.head_dim) {
    return Unsupported("keys and values of different lengths are not supported");
  }
  INFE_ASSIGN(a.rope.dims, Size(file, prefix + "rope.dimension_count", kHeadDimMax, a.head_dim));
  const bool partial = supports.partial_rope && a.rope.dims < a.head_dim && a.rope.dims % 2 == 0;
  if (a.rope.dims != a.head_dim && !partial) {
    return Unsupported(
        fmt::format("RoPE over {} of {} dimensions is not supported", a.rope.dims, a.head_dim));
  }
  if (a.head_dim > 0) a.scale = 1.0F / std::sqrt(float(a.head_dim));
  INFE_ASSIGN(const double base, file.Float(prefix + "rope.freq_base", 10000.0));
  if (!(base >= 1) || !(base < 1e12)) return Corrupt("rope.freq_base is out of range");
  a.rope.base = static_cast<float>(base);
  if (file.FindTensor("rope_freqs.weight") != nullptr) a.rope.factors = "rope_freqs.weight";
  INFE_TRY(ReadRopeScaling(file, prefix, supports, a.rope));
  a.fused_qkv = file.FindTensor("blk.0.attn_qkv.weight") != nullptr;
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

Result<RouterKind> ReadRouterKind(const GgufFile& file, const std::string& key) {
  INFE_ASSIGN(const uint64_t kind, file.Unsigned(key, 1));
  if (kind == 1) return RouterKind::kSoftmax;
  if (kind == 2) return RouterKind::kSigmoid;
  if (kind == 3) return RouterKind::kSoftmaxOfChosen;
  return Unsupported(fmt::format("{} is {}; 1 to 3 are supported", key, kind));
}

// The end of an encoder of pairs: what its training put behind the first row, and one number.
Result<void> ReadRanking(const GgufFile& file, ModelConfig& config) {
  const GgufTensor* output = file.FindTensor("cls.output.weight");
  if (output == nullptr)
    return Corrupt("the file says that it ranks texts, and has no tensor cls.output.weight");
  if (output->rows() != 1)
    return Unsupported(
        fmt::format("a classifier of {} labels is not supported; one of one label ranks texts",
                    output->rows()));
  if (file.FindTensor("cls.weight") != nullptr)
    config.pool_maps.push_back({.tensor = "cls",
                                .rows = config.embedding,
                                .bias = file.FindTensor("cls.bias") != nullptr,
                                .tanh = true});
  config.pool_maps.push_back(
      {.tensor = "cls.output", .rows = 1, .bias = file.FindTensor("cls.output.bias") != nullptr});
  config.pooling = Pooling::kFirst;
  config.ranks = true;
  return {};
}

Result<Pooling> ReadPooling(const GgufFile& file, const std::string& key) {
  INFE_ASSIGN(const uint64_t kind, file.Unsigned(key, 0));
  if (kind == 0) return Pooling::kNone;
  if (kind == 1) return Pooling::kMean;
  if (kind == 2) return Pooling::kFirst;
  if (kind == 3) return Pooling::kLast;
  return Unsupported(
      fmt::format("{} is {}; 0 to 3 are supported (none, mean, first, last)", key, kind));
}

// What makes embeddings of a family's models, and what an encoder has in place of the others' keys.
Result<void> ReadEmbeddingKeys(const GgufFile& file, const std::string& prefix,
                               const Supports& supports, ModelConfig& config) {
  INFE_ASSIGN(const uint64_t kind, file.Unsigned(prefix + "pooling_type", 0));
  if (kind == kPoolingRank && supports.encoder) {
    INFE_TRY(ReadRanking(file, config));
  } else {
    INFE_ASSIGN(config.pooling, ReadPooling(file, prefix + "pooling_type"));
  }
  const bool sees_all = supports.encoder || supports.both_sides;
  INFE_ASSIGN(const bool causal, file.Bool(prefix + "attention.causal", !sees_all));
  if (!causal && config.pooling == Pooling::kNone) {
    return Unsupported("attention to both sides without pooling (" + prefix +
                       "pooling_type) is not supported");
  }
  if (causal && sees_all) return Unsupported(prefix + "attention.causal is true");
  for (LayerConfig& layer : config.layers) AttentionOf(layer).causal = causal;
  if (config.pooling != Pooling::kNone) config.tied_head = false;
  if (!supports.encoder) return {};
  config.norms = NormKind::kLayer;
  config.float_products = true;
  INFE_ASSIGN(const uint64_t types, file.Unsigned("tokenizer.ggml.token_type_count", 0));
  if (types > kTokenTypesMax) return Corrupt("tokenizer.ggml.token_type_count is out of range");
  config.token_types = static_cast<uint32_t>(types);
  return {};
}

// Experts of one layer. Whether the weights are normalised is the family's business, where the file
// does not say.
Result<MoeFfnConfig> ReadExperts(const GgufFile& file, const std::string& prefix) {
  MoeFfnConfig moe;
  INFE_ASSIGN(moe.experts, Size(file, prefix + "expert_count", kExpertsMax));
  INFE_ASSIGN(moe.used, Size(file, prefix + "expert_used_count", moe.experts));
  if (file.Has(prefix + "expert_feed_forward_length")) {
    INFE_ASSIGN(moe.width, Size(file, prefix + "expert_feed_forward_length", kWidthMax));
  } else {
    INFE_ASSIGN(moe.width, Size(file, prefix + "feed_forward_length", kWidthMax));
  }
  INFE_ASSIGN(const uint64_t shared,
              file.Unsigned(prefix + "expert_shared_feed_forward_length", 0));
  if (shared > kWidthMax) return Corrupt("the shared expert is too wide");
  moe.shared_width = static_cast<uint32_t>(shared);
  INFE_ASSIGN(const uint64_t groups, file.Unsigned(prefix + "expert_group_count", 1));
  if (groups > 1) return Unsupported("experts in groups are not supported");
  INFE_ASSIGN(moe.router, ReadRouterKind(file, prefix + "expert_gating_func"));
  INFE_ASSIGN(moe.normalise, file.Bool(prefix + "expert_weights_norm", false));
  INFE_ASSIGN(const double scale, file.Float(prefix + "expert_weights_scale", 0.0));
  if (!(scale >= 0) || !(scale < 1e6)) return Corrupt("expert_weights_scale is out of range");
  if (scale != 0) moe.weight_scale = static_cast<float>(scale);
  moe.select_bias = file.FindTensor("blk.0.exp_probs_b.bias") != nullptr;
  moe.shared_gate = file.FindTensor("blk.0.ffn_gate_inp_shexp.weight") != nullptr;
  return moe;
}

Result<void> ReadFeedForward(const GgufFile& file, const std::string& prefix,
                             const Supports& supports, LayerConfig& layer) {
  INFE_ASSIGN(const uint64_t experts, file.Unsigned(prefix + "expert_count", 0));
  if (experts > 0 && !supports.experts) {
    return Unsupported("mixture-of-experts models are not supported");
  }
  if (experts > 0) {
    INFE_ASSIGN(layer.feed_forward, ReadExperts(file, prefix));
  } else {
    const std::string width = prefix + "feed_forward_length";
    if (!file.Has(width)) INFE_TRY(file.Unsigned(width));
    INFE_ASSIGN(DenseFfnOf(layer).width, LargestSize(file, width, kWidthMax, 0));
  }
  return {};
}

// Sizes that differ between layers.
Result<void> ReadLayerShapes(const GgufFile& file, const std::string& prefix,
                             const Supports& supports, ModelConfig& config) {
  // With layers that are not read.
  const size_t layers = config.layers.size() + config.skipped.size();
  const AttentionConfig& all = AttentionOf(config.layers[0]);
  INFE_ASSIGN(const auto heads,
              ReadLayerSizes(file, prefix + "attention.head_count", layers, kWidthMax, all.heads));
  INFE_ASSIGN(const auto kv_heads, ReadLayerSizes(file, prefix + "attention.head_count_kv", layers,
                                                  kWidthMax, all.kv_heads));
  INFE_ASSIGN(const auto widths,
              ReadLayerSizes(file, prefix + "feed_forward_length", layers, kWidthMax, 0));
  for (size_t l = 0; l < config.layers.size(); ++l) {
    AttentionConfig& attention = AttentionOf(config.layers[l]);
    attention.heads = heads[l];
    attention.kv_heads = kv_heads[l];
    auto* dense = std::get_if<DenseFfnConfig>(&config.layers[l].feed_forward);
    if (dense != nullptr) dense->width = widths[l];
    const bool none = heads[l] == 0 || kv_heads[l] == 0 || (dense != nullptr && widths[l] == 0);
    if (none && !supports.other_mixers) {
      return Unsupported(fmt::format("layer {} has no attention or no feed-forward part", l));
    }
  }
  return {};
}

// Nemotron-H has RMSNorms, and in its files the other norms' key.
std::string EpsilonKey(const GgufFile& file, const std::string& prefix, const Supports& supports) {
  const std::string layer = prefix + "attention.layer_norm_epsilon";
  const std::string rms = prefix + "attention.layer_norm_rms_epsilon";
  return supports.encoder || (file.Has(layer) && !file.Has(rms)) ? layer : rms;
}

}  // namespace

Result<std::vector<uint32_t>> ReadLayerSizes(const GgufFile& file, const std::string& key,
                                             size_t layers, uint64_t max, uint32_t fallback) {
  const GgufEntry* entry = file.FindEntry(key);
  if (entry == nullptr) return std::vector<uint32_t>(layers, fallback);
  if (entry->type != GgufValueType::kArray) {
    INFE_ASSIGN(const uint32_t size, ReadSize(file, key, max));
    return std::vector<uint32_t>(layers, size);
  }
  INFE_ASSIGN(const std::vector<int64_t> values, file.Integers(key));
  if (values.size() != layers) {
    return Corrupt(fmt::format("{} is of {} layers; there are {}", key, values.size(), layers));
  }
  std::vector<uint32_t> sizes;
  for (const int64_t value : values) {
    if (value < 0 || static_cast<uint64_t>(value) > max) {
      return Corrupt(fmt::format("{} has {}; it must be in 0..{}", key, value, max));
    }
    sizes.push_back(static_cast<uint32_t>(value));
  }
  return sizes;
}

Result<std::vector<bool>> ReadWindowed(const GgufFile& file, const std::string& prefix,
                                       size_t layers, uint32_t fallback) {
  const std::string key = prefix + "attention.sliding_window_pattern";
  const GgufEntry* entry = file.FindEntry(key);
  std::vector<bool> windowed(layers);
  if (entry != nullptr && entry->type == GgufValueType::kArray) {
    INFE_ASSIGN(const auto flags, ReadLayerSizes(file, key, layers, 1, 0));
    for (size_t l = 0; l < layers; ++l) windowed[l] = flags[l] != 0;
    return windowed;
  }
  INFE_ASSIGN(const uint64_t period, file.Unsigned(key, fallback));
  if (period == 0) return Corrupt(fmt::format("{} is 0", key));
  for (size_t l = 0; l < layers; ++l) windowed[l] = (l + 1) % period != 0;
  return windowed;
}

Result<uint32_t> ReadWindow(const GgufFile& file, const std::string& prefix) {
  return Size(file, prefix + "attention.sliding_window", kContextMax);
}

Result<uint32_t> ReadSize(const GgufFile& file, const std::string& key, uint64_t max) {
  INFE_ASSIGN(const uint64_t value, file.Unsigned(key, 0));
  if (value > max) return Corrupt(fmt::format("{} is {}; it must be in 0..{}", key, value, max));
  return static_cast<uint32_t>(value);
}

Result<uint32_t> CheckedWidth(uint64_t rows) {
  if (rows == 0 || rows > kWidthMax) return Corrupt(fmt::format("a matrix has {} rows", rows));
  return static_cast<uint32_t>(rows);
}

Result<float> ReadRopeBase(const GgufFile& file, const std::string& key, float fallback) {
  INFE_ASSIGN(const double base, file.Float(key, fallback));
  if (!(base >= 1) || !(base < 1e12)) return Corrupt(fmt::format("{} is out of range", key));
  return static_cast<float>(base);
}

Result<float> ReadFactor(const GgufFile& file, const std::string& key) {
  return ReadFactorOr(file, key, 1);
}

Result<float> ReadFactorOr(const GgufFile& file, const std::string& key, float fallback) {
  INFE_ASSIGN(const double factor, file.Float(key, fallback));
  if (!(factor > 0) || !(factor < 1e6)) return Corrupt(fmt::format("{} is out of range", key));
  return static_cast<float>(factor);
}

Result<ModelConfig> ReadCommonConfig(const GgufFile& file, std::string_view architecture,
                                     const Supports& supports) {
  const std::string prefix = std::string(architecture) + ".";
  ModelConfig config;
  config.architecture = architecture;
  INFE_ASSIGN(config.name, file.String("general.name", ""));
  INFE_ASSIGN(config.licence, file.String("general.license", ""));
  INFE_ASSIGN(const uint64_t file_type,
              file.Unsigned("general.file_type", std::numeric_limits<uint64_t>::max()));
  config.quantisation = FileTypeName(file_type);

  INFE_ASSIGN(const uint64_t predictors, file.Unsigned(prefix + "nextn_predict_layers", 0));
  if (predictors > 0 && !supports.predictors) {
    return Unsupported("layers that predict further tokens are not supported");
  }
  INFE_ASSIGN(uint32_t layers, Size(file, prefix + "block_count", kLayersMax));
  if (predictors >= layers) return Corrupt("every layer predicts further tokens");
  layers -= static_cast<uint32_t>(predictors);
  for (uint64_t l = layers; l < layers + predictors; ++l) {
    config.skipped.push_back(fmt::format("blk.{}.", l));
  }
  INFE_ASSIGN(config.embedding, Size(file, prefix + "embedding_length", kWidthMax));
  LayerConfig layer;
  INFE_TRY(ReadFeedForward(file, prefix, supports, layer));
  INFE_ASSIGN(layer.mixer, ReadAttention(file, prefix, config.embedding, supports));
  INFE_ASSIGN(config.context_length, Size(file, prefix + "context_length", kContextMax));
  INFE_ASSIGN(config.vocabulary, Vocabulary(file));
  INFE_ASSIGN(const double epsilon, file.Float(EpsilonKey(file, prefix, supports)));
  if (!(epsilon >= 0) || !(epsilon < 1)) return Corrupt("the epsilon of norms is out of range");
  config.rms_epsilon = static_cast<float>(epsilon);
  config.layers.assign(layers, layer);
  INFE_TRY(ReadLayerShapes(file, prefix, supports, config));
  config.tied_head = file.FindTensor("output.weight") == nullptr;
  INFE_TRY(ReadEmbeddingKeys(file, prefix, supports, config));
  return config;
}

AttentionConfig& AttentionOf(LayerConfig& layer) {
  return std::get<AttentionConfig>(layer.mixer);
}

DenseFfnConfig& DenseFfnOf(LayerConfig& layer) {
  return std::get<DenseFfnConfig>(layer.feed_forward);
}

MoeFfnConfig& MoeFfnOf(LayerConfig& layer) {
  return std::get<MoeFfnConfig>(layer.feed_forward);
}

Result<void> CheckConfig(const ModelConfig& config) {
  INFE_TRY(CheckWidth(config.embedding));
  INFE_TRY(CheckWidth(config.per_layer_width));
  for (const LayerConfig& layer : config.layers) {
    if (const auto* attention = std::get_if<AttentionConfig>(&layer.mixer)) {
      INFE_TRY(CheckAttention(*attention));
    }
    if (const auto* dense = std::get_if<DenseFfnConfig>(&layer.feed_forward)) {
      INFE_TRY(CheckWidth(dense->width));
    }
    if (const auto* moe = std::get_if<MoeFfnConfig>(&layer.feed_forward)) {
      INFE_TRY(CheckWidth(moe->width));
      INFE_TRY(CheckWidth(moe->shared_width));
    }
    if (const auto* twin = std::get_if<TwinFfnConfig>(&layer.feed_forward)) {
      INFE_TRY(CheckWidth(twin->dense.width));
      INFE_TRY(CheckWidth(twin->experts.width));
    }
  }
  return {};
}

std::string_view FileTypeName(uint64_t file_type) {
  // llama_ftype, as tools print it.
  static constexpr std::pair<uint64_t, std::string_view> kNames[] = {
      {0, "F32"},      {1, "F16"},      {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},
      {8, "Q5_0"},     {9, "Q5_1"},     {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"},
      {13, "Q3_K_L"},  {14, "Q4_K_S"},  {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"},
      {18, "Q6_K"},    {19, "IQ2_XXS"}, {20, "IQ2_XS"}, {21, "Q2_K_S"}, {22, "IQ3_XS"},
      {23, "IQ3_XXS"}, {25, "IQ4_NL"},  {26, "IQ3_S"},  {27, "IQ3_M"},  {28, "IQ2_S"},
      {29, "IQ2_M"},   {30, "IQ4_XS"},  {32, "BF16"},   {36, "TQ1_0"},  {37, "TQ2_0"},
      {38, "MXFP4"},   {39, "NVFP4"},   {40, "Q1_0"},   {41, "Q2_0"},
  };
  for (const auto& [number, name] : kNames) {
    if (number == file_type) return name;
  }
  return "unknown";
}

}  // namespace infe::model
