#include "model/parts/parts.h"

#include <type_traits>
#include <variant>

#include "model/parts/delta_net.h"
#include "model/parts/dense_ffn.h"
#include "model/parts/mamba2.h"
#include "model/parts/moe_ffn.h"
#include "model/parts/short_conv.h"
#include "model/parts/twin_ffn.h"

namespace infe::model {
namespace {

std::unique_ptr<Part> MakeMixer(const LayerConfig& layer) {
  return std::visit(
      [&](const auto& config) -> std::unique_ptr<Part> {
        using Config = std::decay_t<decltype(config)>;
        if constexpr (std::is_same_v<Config, AttentionConfig>) {
          return std::make_unique<AttentionPart>(layer);
        } else if constexpr (std::is_same_v<Config, DeltaNetConfig>) {
          return std::make_unique<DeltaNetPart>(layer);
        } else if constexpr (std::is_same_v<Config, ShortConvConfig>) {
          return std::make_unique<ShortConvPart>(layer);
        } else if constexpr (std::is_same_v<Config, Mamba2Config>) {
          return std::make_unique<Mamba2Part>(layer, config);
        } else if constexpr (std::is_same_v<Config, std::monostate>) {
          return nullptr;
        }
      },
      layer.mixer);
}

std::unique_ptr<Part> MakeFeedForward(const LayerConfig& layer) {
  return std::visit(
      [&](const auto& config) -> std::unique_ptr<Part> {
        using Config = std::decay_t<decltype(config)>;
        if constexpr (std::is_same_v<Config, DenseFfnConfig>) {
          return std::make_unique<DenseFfnPart>(layer);
        } else if constexpr (std::is_same_v<Config, MoeFfnConfig>) {
          return std::make_unique<MoeFfnPart>(layer);
        } else if constexpr (std::is_same_v<Config, TwinFfnConfig>) {
          return std::make_unique<TwinFfnPart>(layer);
        } else if constexpr (std::is_same_v<Config, std::monostate>) {
          return nullptr;
        }
      },
      layer.feed_forward);
}

}  // namespace

ModelParts MakeParts(const ModelConfig& config) {
  ModelParts parts;
  if (config.pooling == Pooling::kNone) {
    parts.head = std::make_unique<HeadPart>();
  } else {
    parts.pool = std::make_unique<PoolPart>();
  }
  parts.embed = std::make_unique<EmbedPart>(parts.head.get());
  if (config.per_layer_width > 0) {
    parts.per_layer_inputs = std::make_unique<PerLayerInputsPart>();
  }
  for (uint32_t l = 0; l < config.layers.size(); ++l) {
    LayerConfig layer = config.layers[l];
    LayerParts& made = parts.layers.emplace_back();
    if (parts.per_layer_inputs != nullptr) {
      made.per_layer = std::make_unique<PerLayerPart>(layer, l, *parts.per_layer_inputs);
      layer.output_scale = false;  // of the layer's last part alone
    }
    made.mixer = MakeMixer(layer);
    if (layer.beside) made.beside = std::make_unique<Mamba2Part>(layer, *layer.beside);
    made.feed_forward = MakeFeedForward(layer);
  }
  return parts;
}

}  // namespace infe::model
