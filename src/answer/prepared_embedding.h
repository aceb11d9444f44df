// Texts made ready for a model on this machine to turn into vectors, or pairs of them into scores:
// encoded, and short enough.
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

// The question and each text as one: as the vocabulary begins a text, the question, its end, the
// text, its end.
Answered<std::unique_ptr<PreparedEmbedding>> PreparePairs(GeneratingModel model, RankAsk ask);

}  // namespace infe::answer
