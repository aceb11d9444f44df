// What embeddings and rankings have in common: texts that are only read, and numbers in one piece.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "answer/backend.h"
#include "api/api_error.h"
#include "api/openai/ignored_params.h"
#include "api/parsed.h"
#include "http/headers.h"
#include "server/handlers/stages.h"
#include "server/services.h"

namespace infe::server {

// Intake: charges for texts of so many bytes. user: whom the client names, or "".
std::optional<api::ApiError> AdmitTexts(Services& services, Reply& reply,
                                        const std::shared_ptr<ServedModel>& model,
                                        const std::string& user, uint64_t bytes);

// Hands the texts to the model; send writes what comes of them. The last stage.
api::Parsed<NextStage> StartTexts(Services& services, const Reply& reply,
                                  answer::PreparedEmbedding& prepared,
                                  std::function<void(const answer::Embeddings&)> send);

// What is counted of an answer, and its headers.
http::Headers NoteMade(const Reply& reply, const answer::Embeddings& made,
                       const api::IgnoredParams& ignored);

}  // namespace infe::server
