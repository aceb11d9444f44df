#include "model/parts/parts.h"

#include <type_traits>

#include "model/parts/dense_ffn.h"
#include "model/parts/moe_ffn.h"

namespace infe::model {
namespace {

std::unique_ptr<Part> MakeMixer(const LayerConfig& layer) {
  return std::visit(
      [&](const auto& config) -> std::unique_ptr<Part> {
        using Config = std::decay_t<decltype(config)>;
        if constexpr (std::is_same_v<Config, AttentionConfig>) {
          return std::make_unique<AttentionPart>(layer);
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
        }
      },
      layer.feed_forward);
}

}  // namespace

ModelParts MakeParts(const ModelConfig& config) {
  ModelParts parts;
  parts.head = std::make_unique<HeadPart>();
  parts.embed = std::make_unique<EmbedPart>(*parts.head);
  for (const LayerConfig& layer : config.layers) {
    parts.layers.push_back({MakeMixer(layer), MakeFeedForward(layer)});
  }
  return parts;
}

}  // namespace infe::model
