// The answer of POST /v1/embeddings.
#pragma once

#include <string>
#include <string_view>

#include "answer/backend.h"
#include "api/openai/embedding_request.h"

namespace infe::api {

// model: as it was asked for.
std::string WriteEmbeddings(std::string_view model, const answer::Embeddings& embeddings,
                            VectorEncoding encoding);

}  // namespace infe::api
