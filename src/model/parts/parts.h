// The parts of a model, made from its config: embedding, a mixer and a feed-forward part for each
// layer, head.
#pragma once

#include <memory>
#include <vector>

#include "model/model_config.h"
#include "model/parts/attention.h"
#include "model/parts/embed.h"
#include "model/parts/head.h"
#include "model/parts/part.h"

namespace infe::model {

struct LayerParts {
  std::unique_ptr<Part> mixer;
  std::unique_ptr<Part> feed_forward;
};

struct ModelParts {
  std::unique_ptr<HeadPart> head;
  std::unique_ptr<EmbedPart> embed;  // borrows the head
  std::vector<LayerParts> layers;
};

ModelParts MakeParts(const ModelConfig& config);

}  // namespace infe::model
