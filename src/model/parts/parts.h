// The parts of a model, made from its config: embedding, a mixer and a feed-forward part for each
// layer, head or pool; and where the family has them, per-layer embeddings.
#pragma once

#include <memory>
#include <vector>

#include "model/model_config.h"
#include "model/parts/attention.h"
#include "model/parts/embed.h"
#include "model/parts/head.h"
#include "model/parts/part.h"
#include "model/parts/per_layer.h"
#include "model/parts/pool.h"

namespace infe::model {

struct LayerParts {
  std::unique_ptr<Part> mixer;         // null: none
  std::unique_ptr<Part> beside;        // reads what the mixer reads; null: none
  std::unique_ptr<Part> feed_forward;  // null: none
  std::unique_ptr<Part> per_layer;     // null: nothing follows
};

// A model has a head, or it pools: the other one is null.
struct ModelParts {
  std::unique_ptr<HeadPart> head;
  std::unique_ptr<PoolPart> pool;
  std::unique_ptr<EmbedPart> embed;                      // borrows the head
  std::unique_ptr<PerLayerInputsPart> per_layer_inputs;  // null without
  std::vector<LayerParts> layers;

  Part& last() const {
    return head != nullptr ? static_cast<Part&>(*head) : static_cast<Part&>(*pool);
  }
};

ModelParts MakeParts(const ModelConfig& config);

}  // namespace infe::model
