// The answer of POST /v1/rerank: what Cohere's and Jina's clients read of it is all there.
#pragma once

#include <string>
#include <string_view>

#include "answer/backend.h"
#include "api/openai/rerank_request.h"

namespace infe::api {

// The best first; equal scores in the order of the documents. id: the answer's own.
std::string WriteRanking(std::string_view id, const RerankRequest& request,
                         const answer::Embeddings& scores);

}  // namespace infe::api
