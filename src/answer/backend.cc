#include "answer/backend.h"

#include <fmt/format.h>

namespace infe::answer {

Answered<std::unique_ptr<PreparedEmbedding>> Backend::PrepareEmbedding(EmbedAsk) {
  return InvalidAt("", fmt::format("The model '{}' makes no embeddings.", facts().name));
}

Answered<std::unique_ptr<PreparedEmbedding>> Backend::PrepareRanking(RankAsk) {
  return InvalidAt("", fmt::format("The model '{}' ranks no texts.", facts().name));
}

}  // namespace infe::answer
