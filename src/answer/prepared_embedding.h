// Texts made ready for a model on this machine to turn into vectors: encoded, and short enough.
#pragma once

#include <memory>

#include "answer/backend.h"
#include "answer/embedding.h"
#include "answer/generation.h"
#include "base/embedding_use.h"

namespace infe::answer {

// What the model makes, beside its text.
struct EmbeddingKind {
  engine::Output output = engine::Output::kPooled;
  uint32_t dimensions = 0;
  EmbeddingUse use = {};
};

Answered<std::unique_ptr<PreparedEmbedding>> PrepareTexts(GeneratingModel model,
                                                          const EmbeddingKind& kind, EmbedAsk ask);

}  // namespace infe::answer
